//! What to run, when, and under which policies.

use super::call_limits::CallLimits;
use super::firing;
use super::grants::Grants;
use super::ids::{IntervalId, JobId};
use super::labels::Labels;
use super::retry::RetryPolicy;
use super::rules::{After, JobRules};
use super::schedule::Schedule;
use super::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use std::time::Duration;

/// The workspace of jobs that name none.
pub const DEFAULT_WORKSPACE: &str = "default";

/// The most tasks of one interval that a host runs at a time.
pub const MAX_PARALLEL_MAX: u32 = 1_024;

/// The most memory a task may be given: 1 GiB.
pub const MEMORY_BYTES_MAX: u64 = 1 << 30;

/// What a job's keys may take where it does not say: 64 MiB.
pub const KEY_BYTES_MAX_DEFAULT: u64 = 64 << 20;

/// The priorities that a job may have.
pub const PRIORITIES: RangeInclusive<i32> = -100..=100;

/// The most calls that one sandbox may serve.
pub const WARM_CALLS_MAX: u32 = 1_000_000;

/// The longest timeout of a task: a day.
pub const TIMEOUT_MAX: Duration = Duration::from_hours(24);

/// A job as its author wants it.
#[derive(Debug, Clone)]
pub struct JobSpec {
    /// What people call it.
    pub name: String,
    /// Who owns it.
    pub workspace_id: String,
    /// The plugin's name.
    pub plugin: String,
    /// When it fires.
    pub schedule: Schedule,
    /// The job at whose end it fires, too.
    pub after: Option<After>,
    /// How its firings become intervals.
    pub rules: JobRules,
    /// Whether an interrupted interval is resumed.
    pub enable_recovery: bool,
    /// What its tasks get.
    pub work: WorkSpec,
}

/// What an interval needs to know of its job. Each keeps its own copy, so that a later change of the job leaves it be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkSpec {
    /// A JSON text for the plugin.
    pub payload: String,
    /// How many tasks run where the plugin's plan names no stage; 1 where none is said.
    pub tasks: Option<u32>,
    /// How tasks run.
    pub policy: Policy,
    /// What tasks may reach.
    pub grants: Grants,
    /// The labels that a host must have to plan it and to run its tasks.
    pub requires: Labels,
}

/// How tasks run. Rows that say nothing of a member have its default.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// How many tasks of an interval run at a time, `1..=MAX_PARALLEL_MAX`.
    pub max_parallel: u32,
    /// How long one call may take.
    pub timeout: Duration,
    /// How much memory one call may use, in bytes, at most [`MEMORY_BYTES_MAX`].
    pub memory_bytes_max: u64,
    /// When a failed task is tried again.
    pub retry: RetryPolicy,
    /// How long an interval may take from its plan on; none for as long as it likes.
    pub interval_timeout: Option<Duration>,
    /// How many tasks may fail before an interval is cut short; none for any number.
    pub max_failed: Option<MaxFailed>,
    /// How many tasks of the job begin each second at most; none for as many as can.
    pub rate_limit: Option<f64>,
    /// Intervals with a higher one go first, `PRIORITIES`.
    pub priority: i32,
    /// What the job's keys and their values may take together, in bytes.
    pub key_bytes_max: u64,
    /// How far one call may go in everything else.
    pub limits: CallLimits,
    /// How many lanes, and turns at the processors, the job gets for each of a job of weight 1, `WEIGHTS`.
    pub weight: u32,
    /// How many calls one sandbox serves, at most [`WARM_CALLS_MAX`]; with 0 each call gets a fresh one.
    pub warm_calls: u32,
}

/// How many tasks of an interval may fail before it is cut short.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxFailed {
    /// So many.
    Count(u32),
    /// This share of all its tasks, `0.0..=1.0`.
    Share(f64),
}

impl MaxFailed {
    /// How many of `total` tasks may fail.
    pub fn of(self, total: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            // A share of a u32 that is at most 1 is a u32 again.
            Self::Share(share) => (f64::from(total) * share).floor() as u32,
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_parallel: 8,
            timeout: Duration::from_mins(5),
            memory_bytes_max: 128 << 20,
            retry: RetryPolicy::default(),
            interval_timeout: None,
            max_failed: None,
            rate_limit: None,
            priority: 0,
            key_bytes_max: KEY_BYTES_MAX_DEFAULT,
            limits: CallLimits::default(),
            weight: 1,
            warm_calls: 0,
        }
    }
}

/// A job as it is kept.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its identity.
    pub id: JobId,
    /// What its author wants.
    pub spec: JobSpec,
    /// Its latest open interval.
    pub current_interval: Option<CurrentInterval>,
    /// Whether it fires by itself.
    pub status: JobStatus,
    /// How many of its intervals in a row have failed or were abandoned, up to the latest that ended.
    pub failures_in_a_row: u32,
    /// What whoever looks at the job should know, such as that its intervals outlast its period.
    pub warning: Option<String>,
    /// Its next firing.
    pub next: Option<NextFiring>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its author last changed it.
    pub updated_at: Timestamp,
}

/// Whether a job fires by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobStatus {
    /// It does.
    Active,
    /// It does not, until it is resumed.
    Paused {
        /// Why, for people.
        reason: String,
    },
}

/// A firing that is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextFiring {
    /// When it is due by the schedule.
    pub scheduled_at: Timestamp,
    /// When it is fired: later by the job's jitter.
    pub fire_at: Timestamp,
}

/// The open interval that a job shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentInterval {
    /// Which.
    pub id: IntervalId,
    /// When it started; none while it has no plan.
    pub started_at: Option<Timestamp>,
    /// Its counters, current to the second.
    pub progress: Option<Counts>,
}

impl Job {
    /// Its first firing after an instant.
    pub fn next_firing(&self, after: Timestamp) -> Option<NextFiring> {
        firing::next_after(self.id, &self.spec.schedule, self.spec.rules.jitter, after)
    }

    /// A job as it begins: active, with no interval yet.
    pub fn new(id: JobId, spec: JobSpec, now: Timestamp) -> Self {
        let next = firing::next_after(id, &spec.schedule, spec.rules.jitter, now);
        Self {
            id,
            spec,
            current_interval: None,
            status: JobStatus::Active,
            failures_in_a_row: 0,
            warning: None,
            next,
            created_at: now,
            updated_at: now,
        }
    }
}

/// How many tasks of an interval are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All.
    pub total: u64,
    /// Recorded as completed.
    pub completed: u64,
    /// Failed for good.
    pub failed: u64,
    /// Begun and not ended.
    pub running: u64,
}
