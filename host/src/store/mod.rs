//! Where everything that must outlive the process is kept: one trait in the engine's verbs, one method one transaction.
//!
//! The only folder that names sqlx. Knows nothing of wasm, HTTP or of when its methods are called.

mod error;
mod hosts;
mod keeping;
mod kept;
mod moving;
mod objects;
mod operations;
mod postgres;
mod records;
mod secrets;
mod sqlite;

pub use error::StoreError;
pub use hosts::*;
pub use keeping::*;
pub use kept::*;
pub use moving::{EndError, MoveError, MovedTable, Nul, Place, move_installation};
pub use objects::{ObjectError, Objects};
pub use operations::*;
pub use postgres::PostgresStore;
pub use records::*;
pub use secrets::*;
pub use sqlite::SqliteStore;

use crate::domain::backfill::{Backfill, History};
use crate::domain::digest::Digest;
use crate::domain::hint::Hint;
use crate::domain::host::HostProfile;
use crate::domain::ids::{BackfillId, IncarnationId, IntervalId, JobId, SegmentId, TaskIndex};
use crate::domain::job::Job;
use crate::domain::key_quota::KeyUsage;
use crate::domain::presence::Presence;
use crate::domain::rate::{RateAsk, RateGrant};
use crate::domain::shares::LaneShares;
use crate::domain::stage_graph::StageGraph;
use crate::domain::task::Failure;
use crate::domain::timestamp::Timestamp;
use async_trait::async_trait;
use std::collections::BTreeMap;

/// The result of a store method. What an `Ok` of a write reports has reached the disk.
pub type Result<T> = std::result::Result<T, StoreError>;

/// The rows that hosts, clients and recovery meet in.
#[async_trait]
pub trait Store: SecretStore + Send + Sync {
    /// How the database is, known or found out within about a second; also while it is away.
    async fn presence(&self) -> Result<Presence>;

    /// Notes the start of a host, alive until its lease runs out; earlier incarnations of the same host end.
    async fn begin_incarnation(&self, incarnation: &Incarnation) -> Result<()>;

    /// Prolongs the incarnation's lease, counted from `now`, and tells it what it was asked since.
    ///
    /// `LeaseLost` where it had run out and another host has taken over.
    async fn renew_incarnation(&self, incarnation: IncarnationId, now: Timestamp) -> Result<Renewal>;

    /// What the database's own clock shows; none where it has none but this machine's.
    async fn database_now(&self) -> Result<Option<Timestamp>>;

    /// When the first of the leases that others have at `now` runs out.
    async fn next_expiry(&self, but: IncarnationId, now: Timestamp) -> Result<Option<Timestamp>>;

    /// All incarnations but those that ended, or whose lease ran out, before an instant; by host, the latest first.
    /// Damaged rows are left out and reported.
    async fn hosts(&self, since: Timestamp) -> Result<Vec<HostRecord>>;

    /// Those that live and were not asked to leave.
    async fn living_hosts(&self, now: Timestamp) -> Result<Vec<HostProfile>>;

    /// Notes that the present incarnation of a host is to finish and leave: from now on it is given nothing new.
    async fn drain_host(&self, host_id: &str, now: Timestamp) -> Result<Drained>;

    /// Ends an incarnation that stops by itself: its segments are free at once and no crash is counted. Tasks that it
    /// let go in flight count as duplicates. Intervals without tracking stay with it, as they cannot be resumed.
    async fn end_incarnation(&self, incarnation: IncarnationId, now: Timestamp) -> Result<()>;

    /// Keeps a component under a name and makes it the name's current version.
    ///
    /// Open intervals on another version are cancelled and replaced, in the same transaction, where their job's
    /// `on_upgrade` says so.
    async fn put_plugin(&self, version: &PluginVersion, wasm: &[u8]) -> Result<Uploaded>;

    /// The current version of every name, by name.
    async fn plugins(&self) -> Result<Vec<PluginVersion>>;

    /// All versions of a name, the current one first.
    async fn plugin_versions(&self, name: &str) -> Result<Vec<PluginVersion>>;

    /// The bytes of a component, as they are where its row says that they are: whoever uses them compares their digest.
    ///
    /// None where there is no row. `Objects` where the row names an object that cannot be read: that may be the fault of
    /// this host alone.
    async fn component(&self, digest: &Digest) -> Result<Option<Vec<u8>>>;

    /// Removes a version, unless an open interval is pinned to it.
    async fn delete_plugin_version(&self, name: &str, digest: &Digest) -> Result<VersionDeletion>;

    /// Keeps a new job.
    async fn create_job(&self, job: &Job) -> Result<()>;

    /// A job that is not deleted.
    async fn job(&self, job: JobId) -> Result<Option<Job>>;

    /// All jobs that are not deleted, the oldest first. Damaged rows are left out and reported.
    async fn jobs(&self) -> Result<Vec<Job>>;

    /// Deletes a job: it fires no more, its open intervals and backfills are cancelled and their hosts lose their
    /// leases, its keys go. Not one for whose end other jobs wait.
    async fn delete_job(&self, job: JobId, now: Timestamp) -> Result<JobDeletion>;

    /// Keeps a change of a job. Open intervals have their own copy of its work, and go on as they began.
    async fn edit_job(&self, edit: &JobEdit) -> Result<Edited>;

    /// Keeps a job from firing by itself; its open intervals go on. False where there is none that is active.
    async fn pause_job(&self, job: JobId, reason: &str, now: Timestamp) -> Result<bool>;

    /// Lets a paused job fire again and forgets its failures in a row. False where there is none that is paused.
    async fn resume_job(&self, resume: &Resume, now: Timestamp) -> Result<bool>;

    /// Jobs whose `next_fire_at` has come, the most overdue first. Damaged rows are left out and reported; `Unreadable`
    /// where all of them are damaged.
    async fn due_jobs(&self, now: Timestamp, limit: u32) -> Result<Vec<DueJob>>;

    /// When the next job is due.
    async fn next_fire_at(&self) -> Result<Option<Timestamp>>;

    /// Carries out decisions about due jobs in one transaction, so that each is due at its next firing. Answers in
    /// their order: true where that was done and the intervals that were to run are there; false where another host was
    /// faster, or where a firing has an interval already.
    ///
    /// Intervals that wait are not claimed before those of the job that are open have ended: the oldest is let go in
    /// the transaction in which the last of them ends.
    async fn fire(&self, decisions: &[FiringDecision]) -> Result<Vec<bool>>;

    /// Starts an interval beside the schedule. The same key of the same job starts one interval only, however often
    /// it comes.
    async fn trigger(&self, interval: &NewInterval, idempotency_key: Option<&str>) -> Result<Triggered>;

    /// Ends an open interval as cancelled: its hosts lose their leases.
    async fn cancel_interval(&self, interval: IntervalId, reason: &str, now: Timestamp) -> Result<Cancellation>;

    /// Opens an interval that failed or was cancelled again: what has not completed of it runs with fresh retries, on
    /// the version that it started with.
    async fn retry_interval(&self, interval: IntervalId, now: Timestamp) -> Result<Retrial>;

    /// Keeps a new backfill; false where there is no such job.
    async fn create_backfill(&self, backfill: &Backfill) -> Result<bool>;

    /// A backfill.
    async fn backfill(&self, backfill: BackfillId) -> Result<Option<BackfillRecord>>;

    /// The backfills of a job, the newest first, at most `limit`.
    async fn backfills_of(&self, job: JobId, limit: u32) -> Result<Vec<BackfillRecord>>;

    /// Ends a backfill that runs, and cancels its open intervals. False where there is none that runs.
    async fn cancel_backfill(&self, backfill: BackfillId, now: Timestamp) -> Result<bool>;

    /// Backfills that run, the oldest of each job. Damaged rows are left out and reported.
    async fn running_backfills(&self) -> Result<Vec<RunningBackfill>>;

    /// What became of a job's firings in `from..=until`, whatever fired them but triggers and chains.
    async fn firing_history(&self, job: JobId, from: Timestamp, until: Timestamp) -> Result<History>;

    /// Takes a backfill's next step, and ends the backfill where its range is dealt with and nothing of it is open.
    /// False where another host was faster or, for a step that fires, a live interval of the job is open.
    async fn advance_backfill(&self, step: &BackfillStep, now: Timestamp) -> Result<bool>;

    /// Takes intervals that need a plan, as far as there is room: from each workspace in turn, and in one those of the
    /// highest priority first and the oldest among these. Answers with those that `owner` has taken before, too, so that
    /// none is forgotten. A dead incarnation gets none, one that drains none that is new, and none gets what requires labels
    /// that it has not.
    async fn claim_pending(&self, owner: IncarnationId, now: Timestamp, room: PlanRoom) -> Result<Vec<IntervalId>>;

    /// What a host needs to work on an interval; none where it has ended.
    async fn open_interval(&self, interval: IntervalId) -> Result<Option<OpenInterval>>;

    /// Records plans, what they wrote and their segments, in one transaction; intervals without tasks end with it. The
    /// first free segments, and the lanes for them, are the owner's at once, unless it is dead.
    ///
    /// Answers in their order: none where the owner no longer holds the interval, of which nothing is written then.
    async fn record_plans(
        &self,
        owner: IncarnationId,
        plans: &[MadePlan],
        now: Timestamp,
    ) -> Result<Vec<Option<Planned>>>;

    /// Records that a plan failed: it is tried again at `retry_at`, or the interval fails.
    async fn record_plan_failure(
        &self,
        owner: IncarnationId,
        interval: IntervalId,
        failure: &Failure,
        retry_at: Option<Timestamp>,
        record: PlanRecord,
        now: Timestamp,
    ) -> Result<()>;

    /// Ends intervals whose deadline has come, the most overdue first, and tells which. Whoever works on them loses the
    /// lease.
    async fn end_overdue(&self, now: Timestamp, limit: u32) -> Result<Vec<(IntervalId, JobId)>>;

    /// What the rows say of a running interval's shape; none where it does not run.
    async fn stage_graph(&self, interval: IntervalId) -> Result<Option<StageGraph>>;

    /// Running intervals of which no segment can be claimed, now or later, nor is held: rows that this program did not
    /// leave so.
    async fn stalled_intervals(&self) -> Result<Vec<(IntervalId, JobId)>>;

    /// Running intervals with segments to claim, those of the highest priority first and the longest waiting among
    /// these; without those in `except`, so that what cannot be taken up now hides nothing behind it, and without those
    /// whose required labels `owner` has not.
    async fn claimable_intervals(
        &self,
        owner: IncarnationId,
        now: Timestamp,
        except: &[IntervalId],
        limit: u32,
    ) -> Result<Vec<IntervalId>>;

    /// When the next waiting segment or plan is due, or an interval is overdue.
    async fn next_wake_at(&self) -> Result<Option<Timestamp>>;

    /// Settles how many lanes of each interval the owner may run, and takes as many free segments, and waiting ones that
    /// are due, as these keep busy: for many intervals in one transaction. Answers in their order. Where an interval's
    /// rows are `Unreadable`, nothing of it is taken. `LeaseLost` where the owner is dead; one that drains or lacks required
    /// labels gets no segments.
    ///
    /// All hosts together never have more lanes of an interval than it allows; those of a host that holds no segment of
    /// it are free.
    async fn claim_segments(&self, claims: &[Claim]) -> Result<Vec<Result<Claimed>>>;

    /// What each host has of the lanes of intervals; those that nobody works on are left out.
    async fn lane_shares(&self, intervals: &[IntervalId]) -> Result<Vec<(IntervalId, LaneShares)>>;

    /// Reserves of the rates of jobs, one ask for each job at most, for all hosts together; answers in their order.
    async fn reserve_rates(&self, asks: &[RateAsk], now: Timestamp) -> Result<Vec<RateGrant>>;

    /// Writes what has gathered: all of it, or nothing and `LeaseLost` where one of the segments is no longer held, or
    /// where a task's interval has no segment in the batch. `KeysOverQuota` where tasks wrote more to keys than their
    /// jobs may keep: all that the transaction would refuse, so that the rest can be recorded without them.
    ///
    /// Opens the stages that can begin and ends intervals that are done, or of which too many tasks have failed, in the
    /// same transaction.
    async fn record(&self, owner: IncarnationId, batch: &Batch, now: Timestamp) -> Result<Recorded>;

    /// Keeps what running tasks saved, each in the place of what it saved before. Answers in their order: false where
    /// the owner no longer holds the task's segment, so that nothing was kept.
    async fn save_checkpoints(
        &self,
        owner: IncarnationId,
        saves: &[CheckpointSave],
        now: Timestamp,
    ) -> Result<Vec<bool>>;

    /// What an earlier attempt at a task saved last.
    async fn checkpoint(&self, interval: IntervalId, index: TaskIndex) -> Result<Option<Vec<u8>>>;

    /// What a task returned; none where it left nothing.
    async fn output(&self, interval: IntervalId, index: TaskIndex) -> Result<Option<Vec<u8>>>;

    /// What a batch led to that was recorded although the answer was lost; none where it was not recorded, or where the
    /// owner is dead. To be asked before a batch is recorded again: its log lines would be written twice, and a segment
    /// that it let go would seem lost.
    async fn recorded_before(&self, owner: IncarnationId, batch: &Batch) -> Result<Option<Recorded>>;

    /// The segments whose rows name an incarnation.
    async fn held_segments(&self, owner: IncarnationId) -> Result<Vec<SegmentId>>;

    /// Frees segments that an incarnation holds without working on them; those that it does not hold are left alone.
    /// Tasks that it let go in flight count as duplicates.
    async fn give_back(&self, owner: IncarnationId, segments: &[SegmentId]) -> Result<()>;

    /// Those of the intervals that have ended, if only to be reopened since: whoever works on them must let go.
    async fn ended_among(&self, intervals: &[HeldInterval]) -> Result<Vec<IntervalId>>;

    /// Brings `jobs.interval_progress` up to date for the intervals on which an incarnation works.
    async fn publish_progress(&self, intervals: &[IntervalId]) -> Result<()>;

    /// Jobs with an open interval.
    async fn incomplete_jobs(&self) -> Result<Vec<IncompleteJob>>;

    /// Open intervals that a dead incarnation held: one that has ended, or whose lease ran out before an instant.
    async fn interrupted_intervals(&self, expired_before: Timestamp) -> Result<Vec<InterruptedInterval>>;

    /// Frees what dead incarnations held of an interval, and ends them for good. Tasks that were in flight are noted as
    /// crashed, and failed as poison at the `attempts_max`th time. Its cost depends on what was held, not on how many
    /// tasks had completed.
    async fn resume(&self, interval: IntervalId, takeover: Takeover, now: Timestamp) -> Result<Resumed>;

    /// Closes an interval as abandoned and starts its replacement, if there is one, with the abandoned one's work,
    /// version and instant; an interval without tracking is not replaced. Changes nothing where the interval has ended
    /// already. A replacement that fails, too, leaves a warning on its job until an interval succeeds.
    async fn abandon(
        &self,
        interval: IntervalId,
        reason: &str,
        replacement: Option<&NewInterval>,
        now: Timestamp,
    ) -> Result<()>;

    /// An interval.
    async fn interval(&self, interval: IntervalId) -> Result<Option<IntervalRecord>>;

    /// The latest intervals of a job, the newest first.
    async fn intervals_of(&self, job: JobId, limit: u32) -> Result<Vec<IntervalRecord>>;

    /// The stages of an interval, in order.
    async fn stages(&self, interval: IntervalId) -> Result<Vec<StageRecord>>;

    /// The segments of an interval that end after an index, in order, at most `limit`.
    async fn segments(&self, interval: IntervalId, from: TaskIndex, limit: u32) -> Result<Vec<SegmentRecord>>;

    /// What is kept of the tasks with indices in `first..=last`.
    async fn task_notes(
        &self,
        interval: IntervalId,
        first: TaskIndex,
        last: TaskIndex,
    ) -> Result<BTreeMap<TaskIndex, TaskNote>>;

    /// Log lines of an interval, or of one of its tasks, after a line's id, at most `limit`.
    async fn logs(
        &self,
        interval: IntervalId,
        index: Option<TaskIndex>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<LogRecord>>;

    /// What plugins told whoever watches an interval, after an event's id, at most `limit`. Ids follow the order in which
    /// commits made the events visible, so nothing appears behind one that was seen.
    async fn events(&self, interval: IntervalId, after: i64, limit: u32) -> Result<Vec<EventRecord>>;

    /// The value of a job's key.
    async fn key(&self, job: JobId, key: &str) -> Result<Option<Vec<u8>>>;

    /// A job's keys that begin with `prefix` and come after `after`, in the order of their bytes.
    async fn list_keys(&self, job: JobId, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>>;

    /// What all keys of a job take, and what these among them take.
    async fn key_usage(&self, job: JobId, keys: &[String]) -> Result<KeyUsage>;

    /// Jobs of which something may be to remove: those with an interval that has ended since an instant, or all that have
    /// any interval, and the deleted.
    async fn jobs_with_history(&self, since: Option<Timestamp>) -> Result<Vec<JobId>>;

    /// How many ended intervals each job has, and the oldest `limit` of them. Damaged jobs are left out and reported.
    async fn histories(&self, jobs: &[JobId], limit: u32) -> Result<Vec<JobHistory>>;

    /// Removes a slice of ended intervals and of all that belongs to them; to be asked again until it is done. Leaves
    /// open ones, and those whose place an open one takes or whose end fired one. Others that refer to them no longer do.
    async fn remove_intervals(&self, intervals: &[IntervalId], slice: Slice) -> Result<Removal>;

    /// Removes a deleted job that has no interval any more; jobs that fired at its end no longer do. False where that
    /// cannot be.
    async fn remove_deleted_job(&self, job: JobId) -> Result<bool>;

    /// Removes at most `limit` versions that another of their name has taken the place of before an instant, and to which
    /// no interval is pinned; their bytes go where no name has them.
    async fn remove_unused_versions(&self, superseded_before: Timestamp, limit: u32) -> Result<Vec<(String, Digest)>>;

    /// Removes incarnations that were dead before an instant and hold nothing.
    async fn remove_dead_incarnations(&self, dead_before: Timestamp) -> Result<u64>;

    /// Tells other hosts that it is worth looking at the rows now. Nothing may depend on it: a hint can be lost.
    async fn hint(&self, hints: &[Hint]) -> Result<()>;

    /// Waits for what other hosts tell. All hints where some may have been missed, as at the first call and at the first
    /// after an error. For one caller at a time.
    async fn hinted(&self) -> Result<Vec<Hint>>;

    /// Gives up to so many free pages back to the file system, keeps the log of writes from growing for ever, and tells
    /// what is left.
    async fn give_back_pages(&self, pages_max: u64) -> Result<Space>;
}
