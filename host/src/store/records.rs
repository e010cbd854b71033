//! What goes into the store and comes out of it.

use crate::domain::digest::Digest;
use crate::domain::firing::{StillOpen, Verdict};
use crate::domain::ids::{BackfillId, IncarnationId, IntervalId, JobId, TaskIndex};
use crate::domain::interval::{Firing, IntervalState};
use crate::domain::job::{Counts, Job, WorkSpec};
use crate::domain::labels::Labels;
use crate::domain::plan::{Plan, Stage};
use crate::domain::recovery::Casualty;
use crate::domain::rules::QUEUE_MAX;
use crate::domain::shares::{LaneAsk, LaneGrant};
use crate::domain::task::{Event, Failure, KeyWrites, LogLine};
use crate::domain::timestamp::Timestamp;
use crate::domain::worklist::{LeasedSegment, SegmentUpdate};

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

/// How many open intervals of one due job are looked at: all that may wait, and as many again.
pub const STILL_OPEN_MAX: u32 = 2 * QUEUE_MAX;

/// A job whose time has come.
#[derive(Debug, Clone)]
pub struct DueJob {
    /// The job.
    pub job: Job,
    /// Its open intervals that are not of a backfill, the oldest first; not more than [`STILL_OPEN_MAX`].
    pub open: Vec<StillOpen>,
}

/// What a due job leads to.
#[derive(Debug, Clone)]
pub struct FiringDecision {
    /// The job.
    pub job: JobId,
    /// The `fire_at` of the job's next firing that the decision was made on; another host that was faster has changed it.
    pub was_due_at: Timestamp,
    /// When that was decided.
    pub decided_at: Timestamp,
    /// Whether the progress of its new intervals is recorded.
    pub is_tracked: bool,
    /// What is done.
    pub verdict: Verdict,
}

/// An interval that is to run.
#[derive(Debug, Clone, Copy)]
pub struct NewInterval {
    /// What fired.
    pub firing: Firing,
    /// Whether its progress is recorded; if not, it cannot be recovered.
    pub is_tracked: bool,
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
    /// How often it was opened again after its end.
    pub reopened: u32,
    /// Its own copy of what the job asks for.
    pub work: WorkSpec,
    /// Its stages; empty before it has a plan.
    pub stages: Vec<Stage>,
}

/// A wish for lanes of an interval, and for segments that keep them busy.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    /// Who will own them.
    pub owner: IncarnationId,
    /// Of which interval.
    pub interval: IntervalId,
    /// How often that had been reopened when the owner took it up: it gets nothing of a later life.
    pub reopened: u32,
    /// How many lanes.
    pub lanes: LaneAsk,
    /// At most this many segments, if all lanes that are wanted are granted.
    pub limit: u32,
    /// Waiting segments that are due by now are claimable.
    pub now: Timestamp,
}

/// What a claim got.
#[derive(Debug, Default)]
pub struct Claimed {
    /// The lanes that the owner may run from now on; none of an interval that does not run.
    pub lanes: LaneGrant,
    /// The segments that are the owner's from now on, in order.
    pub segments: Vec<LeasedSegment>,
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
    /// What it told whoever watches.
    pub events: Vec<Event>,
    /// What it logged.
    pub log: Vec<LogLine>,
    /// Whether its checkpoint goes, if it has one: it is not called again.
    pub ends_checkpoint: bool,
}

impl TaskRecord {
    /// Whether there is anything to write for it.
    pub fn is_empty(&self) -> bool {
        self.failure.is_none()
            && self.output.is_empty()
            && self.keys.is_empty()
            && self.events.is_empty()
            && self.log.is_empty()
            && !self.ends_checkpoint
    }

    /// Drops what its call wrote, except for the log: the task failed after all.
    pub fn refuse(&mut self, failure: Failure) {
        self.failure = Some((failure, None));
        self.output.clear();
        self.keys.clear();
        self.events.clear();
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

/// How many plans a host may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanRoom {
    /// How many more.
    pub all: u32,
    /// How many of one job it may have then, with those that it has already.
    pub job: u32,
    /// The same of all jobs of one workspace.
    pub workspace: u32,
}

impl PlanRoom {
    /// For so many, whosever they are.
    pub fn for_anybody(all: u32) -> Self {
        Self { all, job: u32::MAX, workspace: u32::MAX }
    }
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
    /// For how many lanes its segments are cut; its maker has them all, if it claims segments.
    pub lanes: u32,
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
#[derive(Debug, Default)]
pub struct PlanRecord {
    /// What it wrote to keys.
    pub keys: KeyWrites,
    /// What it told whoever watches.
    pub events: Vec<Event>,
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
    /// The interval of another job whose end fired it.
    pub caused_by: Option<IntervalId>,
    /// The backfill that it is part of.
    pub backfill: Option<BackfillId>,
    /// How often it was opened again after its end.
    pub reopened: u32,
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
    /// The labels that a host must have to work on it.
    pub requires: Labels,
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
