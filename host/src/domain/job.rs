//! What to run, when, and under which policies.

use super::ids::{IntervalId, JobId};
use super::retry::RetryPolicy;
use super::schedule::Schedule;
use super::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// The workspace of jobs that name none.
pub const DEFAULT_WORKSPACE: &str = "default";

/// The most tasks of one interval that a host runs at a time.
pub const MAX_PARALLEL_MAX: u32 = 1_024;

/// The most memory a task may be given: 1 GiB.
pub const MEMORY_BYTES_MAX: u64 = 1 << 30;

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
}

/// How tasks run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// How many tasks of an interval run at a time, `1..=MAX_PARALLEL_MAX`.
    pub max_parallel: u32,
    /// How long one call may take.
    pub timeout: Duration,
    /// How much memory one call may use, in bytes, at most [`MEMORY_BYTES_MAX`].
    pub memory_bytes_max: u64,
    /// When a failed task is tried again.
    pub retry: RetryPolicy,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_parallel: 8,
            timeout: Duration::from_mins(5),
            memory_bytes_max: 128 << 20,
            retry: RetryPolicy::default(),
        }
    }
}

/// What tasks may reach beside the host's own functions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    /// Directories of the host's machine.
    pub directories: Vec<DirectoryGrant>,
}

/// A directory that tasks may reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryGrant {
    /// Where it is on the host's machine.
    pub path: PathBuf,
    /// Where tasks see it.
    pub mount: String,
    /// What they may do there.
    pub access: Access,
}

/// What may be done in a directory. A larger one includes the smaller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// List and read.
    #[default]
    Read,
    /// Create, change and remove, too.
    ReadWrite,
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
    /// When it fires next.
    pub next_fire_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its author last changed it.
    pub updated_at: Timestamp,
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
