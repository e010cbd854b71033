//! Where everything that must outlive the process is kept: one trait in the engine's verbs, one method one transaction.
//!
//! The only folder that names sqlx. Knows nothing of wasm, HTTP or of when its methods are called.

mod error;
mod records;
mod sqlite;

pub use error::StoreError;
pub use records::*;
pub use sqlite::SqliteStore;

use crate::domain::digest::Digest;
use crate::domain::ids::{IncarnationId, IntervalId, JobId, TaskIndex};
use crate::domain::job::Job;
use crate::domain::task::Failure;
use crate::domain::timestamp::Timestamp;
use crate::domain::worklist::LeasedSegment;
use async_trait::async_trait;
use std::collections::BTreeMap;

/// The result of a store method. What an `Ok` of a write reports has reached the disk.
pub type Result<T> = std::result::Result<T, StoreError>;

/// The rows that hosts, clients and recovery meet in.
#[async_trait]
pub trait Store: Send + Sync {
    /// Notes the start of a host, alive until its lease runs out; earlier incarnations of the same host end.
    async fn begin_incarnation(&self, incarnation: &Incarnation) -> Result<()>;

    /// Prolongs the incarnation's lease, counted from `now`.
    ///
    /// `LeaseLost` where it had run out and another host has taken over.
    async fn renew_incarnation(&self, incarnation: IncarnationId, now: Timestamp) -> Result<()>;

    /// Ends an incarnation that stops by itself: its segments are free at once and no crash is counted. Tasks that it
    /// let go in flight count as duplicates. Intervals without tracking stay with it, as they cannot be resumed.
    async fn end_incarnation(&self, incarnation: IncarnationId, now: Timestamp) -> Result<()>;

    /// Keeps a component under a name and makes it the name's current version.
    async fn put_plugin(&self, version: &PluginVersion, wasm: &[u8]) -> Result<Uploaded>;

    /// The current version of every name, by name.
    async fn plugins(&self) -> Result<Vec<PluginVersion>>;

    /// All versions of a name, the current one first.
    async fn plugin_versions(&self, name: &str) -> Result<Vec<PluginVersion>>;

    /// The bytes of a component.
    async fn component(&self, digest: &Digest) -> Result<Option<Vec<u8>>>;

    /// Removes a version, unless an open interval is pinned to it.
    async fn delete_plugin_version(&self, name: &str, digest: &Digest) -> Result<VersionDeletion>;

    /// Keeps a new job.
    async fn create_job(&self, job: &Job) -> Result<()>;

    /// A job that is not deleted.
    async fn job(&self, job: JobId) -> Result<Option<Job>>;

    /// All jobs that are not deleted, the oldest first. Damaged rows are left out and reported.
    async fn jobs(&self) -> Result<Vec<Job>>;

    /// Deletes a job: it fires no more, its open intervals are cancelled and their hosts lose their leases, its keys
    /// go. False where there is none.
    async fn delete_job(&self, job: JobId, now: Timestamp) -> Result<bool>;

    /// Jobs whose `next_fire_at` has come, the most overdue first. Damaged rows are left out and reported; `Unreadable`
    /// where all of them are damaged.
    async fn due_jobs(&self, now: Timestamp, limit: u32) -> Result<Vec<DueJob>>;

    /// When the next job is due.
    async fn next_fire_at(&self) -> Result<Option<Timestamp>>;

    /// Carries out decisions about due jobs in one transaction, so that each is due at its next firing. Answers in
    /// their order: true where that was done and the interval that was to run is there; false where another host was
    /// faster, or the firing has an interval already.
    async fn fire(&self, decisions: &[FiringDecision]) -> Result<Vec<bool>>;

    /// Starts an interval beside the schedule; false where there is no such job.
    async fn trigger(&self, interval: &NewInterval) -> Result<bool>;

    /// Takes intervals that need a plan, the oldest first, and answers with those that `owner` has taken before, too, so
    /// that none is forgotten. A dead incarnation gets none.
    async fn claim_pending(&self, owner: IncarnationId, now: Timestamp, limit: u32) -> Result<Vec<IntervalId>>;

    /// What a host needs to work on an interval; none where it has ended.
    async fn open_interval(&self, interval: IntervalId) -> Result<Option<OpenInterval>>;

    /// Records plans, what they wrote and their segments, in one transaction; intervals without tasks end with it. The
    /// first free segments are the owner's at once, unless it is dead.
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

    /// Running intervals with segments to claim, the longest waiting first.
    async fn claimable_intervals(&self, now: Timestamp, limit: u32) -> Result<Vec<IntervalId>>;

    /// When the next waiting segment or plan is due.
    async fn next_wake_at(&self) -> Result<Option<Timestamp>>;

    /// Takes free segments, and waiting ones that are due, for many intervals in one transaction, and answers in their
    /// order; an empty answer means that there are none, or that the owner is dead. Where an interval's segments are
    /// `Unreadable`, none of them is taken.
    async fn claim_segments(&self, claims: &[Claim]) -> Result<Vec<Result<Vec<LeasedSegment>>>>;

    /// Writes what has gathered: all of it, or nothing and `LeaseLost` where one of the segments is no longer held, or
    /// where a task's interval has no segment in the batch.
    ///
    /// Opens the stages that can begin and ends intervals that are done, in the same transaction.
    async fn record(&self, owner: IncarnationId, batch: &Batch, now: Timestamp) -> Result<Recorded>;

    /// Those of the intervals that have ended, so that no host may work on them any more.
    async fn ended_among(&self, intervals: &[IntervalId]) -> Result<Vec<IntervalId>>;

    /// Brings `jobs.interval_progress` up to date for the intervals on which an incarnation works.
    async fn publish_progress(&self, intervals: &[IntervalId]) -> Result<()>;

    /// Jobs with an open interval.
    async fn incomplete_jobs(&self) -> Result<Vec<IncompleteJob>>;

    /// Open intervals that a dead incarnation held.
    async fn interrupted_intervals(&self, now: Timestamp) -> Result<Vec<InterruptedInterval>>;

    /// Frees what dead incarnations held of an interval, and ends them for good. Tasks that were in flight are noted as crashed, and failed as
    /// poison at the `attempts_max`th time. Its cost depends on what was held, not on how many tasks had completed.
    async fn resume(&self, interval: IntervalId, fruitless: u32, attempts_max: u32, now: Timestamp) -> Result<Resumed>;

    /// Closes an interval as abandoned and starts its replacement, if there is one, with the abandoned one's work,
    /// version and instant. Changes nothing where the interval has ended already.
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

    /// The value of a job's key.
    async fn key(&self, job: JobId, key: &str) -> Result<Option<Vec<u8>>>;

    /// A job's keys that begin with `prefix` and come after `after`, in the order of their bytes.
    async fn list_keys(&self, job: JobId, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>>;

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

    /// Gives up to so many free pages back to the file system, keeps the log of writes from growing for ever, and tells
    /// what is left.
    async fn give_back_pages(&self, pages_max: u64) -> Result<Space>;
}
