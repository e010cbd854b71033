//! What people and other jobs ask of jobs and intervals, and what became of it.

use crate::domain::backfill::Backfill;
use crate::domain::chain::ChainError;
use crate::domain::firing::UnrunFiring;
use crate::domain::ids::{BackfillId, IntervalId, JobId};
use crate::domain::interval::IntervalState;
use crate::domain::job::{Job, NextFiring};
use crate::domain::reopening::NotRetried;
use crate::domain::timestamp::Timestamp;
use crate::store::NewInterval;

/// What became of a wish to start an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Triggered {
    /// It has started.
    Started,
    /// The same wish has started this one before.
    Again(IntervalId),
    /// There is no such job.
    UnknownJob,
}

/// What became of a wish to delete a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobDeletion {
    /// It is gone.
    Deleted,
    /// There was none.
    Unknown,
    /// These jobs fire at the end of its intervals.
    Awaited(Vec<(JobId, String)>),
}

/// How a paused job goes on.
#[derive(Debug, Clone)]
pub struct Resume {
    /// The job.
    pub job: JobId,
    /// Its next firing.
    pub next: Option<NextFiring>,
    /// What is kept of the firings that passed.
    pub skipped: Option<UnrunFiring>,
}

/// A job that its author has changed.
#[derive(Debug, Clone)]
pub struct JobEdit {
    /// The job as it is to be; `updated_at` is later than before.
    pub job: Job,
    /// The `updated_at` that the change was made on.
    pub was_updated_at: Timestamp,
    /// Whether the schedule changed, and so the next firing.
    pub rescheduling: Rescheduling,
}

/// What becomes of a job's next firing when the job is changed.
#[derive(Debug, Clone)]
pub enum Rescheduling {
    /// It stays.
    Kept,
    /// It is the job's `next` from now on; firings of the earlier schedule that passed are kept.
    Changed {
        /// What is kept of those.
        skipped: Option<UnrunFiring>,
    },
}

/// What became of a change of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edited {
    /// It is kept.
    Done,
    /// There is no such job.
    Unknown,
    /// Another change came first.
    Outdated,
    /// It cannot fire after the job that it names.
    Refused(ChainError),
}

/// What became of a wish to cancel an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancellation {
    /// It is cancelled; its job is this one.
    Cancelled(JobId),
    /// It was cancelled before.
    Again,
    /// It had ended in another way.
    Ended(IntervalState),
    /// There is none.
    Unknown,
}

/// What became of a wish to retry an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retrial {
    /// It is open again.
    Reopened,
    /// It is not retried.
    Refused(NotRetried),
    /// There is none.
    Unknown,
}

/// An interval that a host works on.
#[derive(Debug, Clone, Copy)]
pub struct HeldInterval {
    /// Which.
    pub id: IntervalId,
    /// How often it had been reopened when the host took it up; none while the host is just taking it up.
    pub reopened: Option<u32>,
}

/// A backfill and how its intervals are doing.
#[derive(Debug, Clone)]
pub struct BackfillRecord {
    /// The backfill.
    pub backfill: Backfill,
    /// Intervals of it that are open.
    pub open: u64,
    /// Intervals of it that succeeded.
    pub succeeded: u64,
    /// Intervals of it that failed or were abandoned.
    pub failed: u64,
}

/// A backfill that has something left, and what keeps it from its next firing.
#[derive(Debug, Clone)]
pub struct RunningBackfill {
    /// The backfill.
    pub backfill: Backfill,
    /// Its job.
    pub job: Job,
    /// The job's open intervals that belong to no backfill.
    pub live: u64,
    /// The job's open intervals that belong to a backfill.
    pub open: u64,
}

/// What a backfill does next.
#[derive(Debug, Clone)]
pub struct BackfillStep {
    /// Which.
    pub id: BackfillId,
    /// The `next_at` that the step was decided on.
    pub was_at: Timestamp,
    /// Firings before this instant are dealt with.
    pub next_at: Timestamp,
    /// The intervals that run.
    pub fire: Vec<NewInterval>,
}
