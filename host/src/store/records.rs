//! What goes into the store and comes out of it.

use crate::domain::digest::Digest;
use crate::domain::ids::{IncarnationId, IntervalId, JobId, TaskIndex};
use crate::domain::interval::{Firing, IntervalState};
use crate::domain::job::{Counts, Job, NextFiring, WorkSpec};
use crate::domain::plan::{Plan, Stage};
use crate::domain::recovery::Casualty;
use crate::domain::retention::History;
use crate::domain::rules::Retention;
use crate::domain::task::{Failure, KeyWrites, LogLine};
use crate::domain::timestamp::Timestamp;
use crate::domain::worklist::{LeasedSegment, SegmentUpdate};

/// One start of a host.
#[derive(Debug, Clone)]
pub struct Incarnation {
    /// Its identity.
    pub id: IncarnationId,
    /// The host that started; an earlier incarnation of the same host is dead from now on.
    pub host_id: String,
    /// When.
    pub started_at: Timestamp,
}

/// A version of a plugin.
#[derive(Debug, Clone)]
pub struct PluginVersion {
    /// The plugin's name.
    pub name: String,
    /// The digest of its bytes.
    pub digest: Digest,
    /// How many bytes.
    pub size_bytes: u64,
    /// What the component imports.
    pub imports: Vec<String>,
    /// When it was last uploaded under this name.
    pub uploaded_at: Timestamp,
}

/// Whether an upload was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uploaded {
    /// A digest that the name did not have.
    New,
    /// The same bytes again; they are the current version now.
    Again,
}

/// What became of a wish to delete a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionDeletion {
    /// It is gone.
    Deleted,
    /// There was none.
    Unknown,
    /// An open interval is pinned to it.
    Pinned(IntervalId),
}

/// A job whose time has come.
#[derive(Debug, Clone)]
pub struct DueJob {
    /// The job.
    pub job: Job,
    /// Its interval that is still open, if any.
    pub open_interval: Option<IntervalId>,
}

/// What a due job leads to.
#[derive(Debug, Clone)]
pub struct FiringDecision {
    /// The job.
    pub job: JobId,
    /// The `fire_at` of the job's next firing that the decision was made on; another host that was faster has changed it.
    pub was_due_at: Timestamp,
    /// The interval that runs.
    pub run: Option<NewInterval>,
    /// Firings that do not.
    pub unrun: Vec<UnrunFiring>,
    /// The job's next firing.
    pub next: Option<NextFiring>,
}

/// An interval that is to run.
#[derive(Debug, Clone, Copy)]
pub struct NewInterval {
    /// What fired.
    pub firing: Firing,
    /// Whether its progress is recorded; if not, it cannot be recovered.
    pub is_tracked: bool,
}

/// A firing that does not run, kept so that it is not lost.
#[derive(Debug, Clone)]
pub struct UnrunFiring {
    /// The record's identity.
    pub id: IntervalId,
    /// Skipped, coalesced or missed.
    pub state: IntervalState,
    /// Why.
    pub reason: String,
    /// When it was due.
    pub scheduled_at: Timestamp,
    /// When that was decided.
    pub decided_at: Timestamp,
}

/// An interval that has work left, with all that a host needs to do it.
#[derive(Debug, Clone)]
pub struct OpenInterval {
    /// Which.
    pub id: IntervalId,
    /// Its job.
    pub job: JobId,
    /// The job's name.
    pub job_name: String,
    /// The job's workspace.
    pub workspace_id: String,
    /// The version that it runs on to its end.
    pub digest: Digest,
    /// When it was due.
    pub scheduled_at: Timestamp,
    /// Whether its progress is recorded.
    pub is_tracked: bool,
    /// How often its plan has failed.
    pub plan_attempts: u32,
    /// Its own copy of what the job asks for.
    pub work: WorkSpec,
    /// Its stages; empty before it has a plan.
    pub stages: Vec<Stage>,
}

/// A wish for segments.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    /// Who will own them.
    pub owner: IncarnationId,
    /// Of which interval.
    pub interval: IntervalId,
    /// At most this many.
    pub limit: u32,
    /// Waiting segments that are due by now are claimable.
    pub now: Timestamp,
}

/// All that one commit of the recorder holds.
#[derive(Debug, Default)]
pub struct Batch {
    /// Rows of segments, by interval.
    pub segments: Vec<(IntervalId, SegmentUpdate)>,
    /// What tasks left beyond a bit.
    pub tasks: Vec<TaskRecord>,
}

/// What a settled attempt leaves beyond a bit.
#[derive(Debug)]
pub struct TaskRecord {
    /// The interval.
    pub interval: IntervalId,
    /// Its job, whose keys it wrote.
    pub job: JobId,
    /// The task.
    pub index: TaskIndex,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// Why the attempt failed, if it did, and when it is tried again, if it is.
    pub failure: Option<(Failure, Option<Timestamp>)>,
    /// What it returned; empty for none.
    pub output: Vec<u8>,
    /// What it wrote to keys.
    pub keys: KeyWrites,
    /// What it logged.
    pub log: Vec<LogLine>,
}

impl TaskRecord {
    /// Whether there is anything to write for it.
    pub fn is_empty(&self) -> bool {
        self.failure.is_none() && self.output.is_empty() && self.keys.is_empty() && self.log.is_empty()
    }
}

/// What a commit of the recorder led to.
#[derive(Debug, Default)]
pub struct Recorded {
    /// Intervals that have ended by it.
    pub ended: Vec<(IntervalId, JobId, IntervalState)>,
    /// Whether it opened stages, so that there are segments to claim.
    pub has_opened: bool,
}

/// A plan that has been made and is to be recorded.
#[derive(Debug)]
pub struct MadePlan {
    /// The interval.
    pub interval: IntervalId,
    /// Its plan.
    pub plan: Plan,
    /// What the plan leaves.
    pub record: PlanRecord,
    /// How many segments its maker claims with it, at most.
    pub segments_max: u32,
}

/// What the recording of a plan led to.
#[derive(Debug)]
pub struct Planned {
    /// The interval's end, where it has nothing to do, and whether stages were opened.
    pub recorded: Recorded,
    /// The segments that are its maker's from now on.
    pub segments: Vec<LeasedSegment>,
}

/// What a plan leaves.
#[derive(Debug)]
pub struct PlanRecord {
    /// What it wrote to keys.
    pub keys: KeyWrites,
    /// What it logged.
    pub log: Vec<LogLine>,
}

/// An open interval whose host is dead.
#[derive(Debug, Clone)]
pub struct InterruptedInterval {
    /// Which.
    pub id: IntervalId,
    /// Its job.
    pub job: JobId,
    /// What decides about it.
    pub casualty: Casualty,
    /// Tasks recorded as completed.
    pub completed: u64,
}

/// What a recovery did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resumed {
    /// Tasks that were in flight and run again.
    pub duplicates: u64,
    /// Tasks that were failed as poison.
    pub poisoned: Vec<TaskIndex>,
    /// The interval ended with that.
    pub ended: Option<IntervalState>,
}

/// A job that is not done with its interval.
#[derive(Debug, Clone, Copy)]
pub struct IncompleteJob {
    /// Which.
    pub job: JobId,
    /// Its open interval.
    pub interval: IntervalId,
    /// Tasks recorded as completed.
    pub completed: u64,
}

/// An interval as people see it.
#[derive(Debug, Clone)]
pub struct IntervalRecord {
    /// Which.
    pub id: IntervalId,
    /// Its job.
    pub job: JobId,
    /// The plugin's name.
    pub plugin: String,
    /// The version that it runs on; none for a firing that did not run.
    pub digest: Option<String>,
    /// What made it.
    pub origin: String,
    /// The interval whose place it takes.
    pub replaces: Option<IntervalId>,
    /// How far it is.
    pub state: IntervalState,
    /// Why it is so, where that is not plain.
    pub reason: Option<String>,
    /// When it was due.
    pub scheduled_at: Timestamp,
    /// When it was found due.
    pub fired_at: Timestamp,
    /// When its plan was recorded.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Its counters.
    pub counts: Counts,
    /// How many calls were made twice because of crashes.
    pub duplicates: u64,
    /// How often it was recovered.
    pub recovery_attempts: u32,
}

/// A stage as people see it.
#[derive(Debug, Clone)]
pub struct StageRecord {
    /// What it is.
    pub stage: Stage,
    /// Whether it may run.
    pub is_open: bool,
    /// Tasks completed.
    pub completed: u64,
    /// Tasks failed for good.
    pub failed: u64,
    /// Segments that are not settled.
    pub unsettled_segments: u64,
}

/// Where the tasks of one segment are.
#[derive(Debug, Clone)]
pub struct SegmentRecord {
    /// Its first task's index in the interval.
    pub first: u32,
    /// How far it is.
    pub progress: crate::domain::progress::Progress,
}

/// What is kept of a task beyond its bit.
#[derive(Debug, Clone, Default)]
pub struct TaskNote {
    /// Attempts that failed.
    pub attempts: u32,
    /// Crashes of the host in which it was in flight.
    pub crashes: u32,
    /// The kind and message of its last failure.
    pub failure: Option<(String, String)>,
    /// When it is tried again.
    pub retry_at: Option<Timestamp>,
    /// What it returned.
    pub output: Option<Vec<u8>>,
}

/// A log line as it is kept.
#[derive(Debug, Clone)]
pub struct LogRecord {
    /// Larger for later lines.
    pub id: i64,
    /// The task; none for a line of the plan.
    pub index: Option<TaskIndex>,
    /// The attempt that wrote it.
    pub attempt: u32,
    /// When.
    pub at: Timestamp,
    /// How much it matters.
    pub level: String,
    /// What it says.
    pub message: String,
}

/// A job whose history is looked at.
#[derive(Debug, Clone)]
pub struct JobHistory {
    /// Which.
    pub job: JobId,
    /// What its author says of how long intervals are kept.
    pub retention: Retention,
    /// Whether it is deleted, so that nothing of it is kept.
    pub is_deleted: bool,
    /// Its ended intervals.
    pub history: History,
}

/// What one removal takes at most, so that nobody waits for it noticeably.
#[derive(Debug, Clone, Copy)]
pub struct Slice {
    /// Rows of tasks, outputs, log lines, events, checkpoints, segments and stages.
    pub rows: u32,
    /// Bytes in outputs, checkpoints, log lines and events, of each.
    pub bytes: u32,
}

/// What a removal took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removal {
    /// Intervals.
    pub intervals: u64,
    /// Rows that belonged to them.
    pub rows: u64,
    /// Whether nothing is left to take.
    pub is_done: bool,
}

/// How large the database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Pages of the file.
    pub pages: u64,
    /// Those of them that hold nothing.
    pub free: u64,
}
