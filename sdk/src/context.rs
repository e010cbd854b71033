//! What a call is told about itself.

use crate::bindings::latchwork::plugin::types::{JobContext, TaskContext};

/// The interval that a plan is made for.
#[derive(Debug)]
pub struct Job(pub(crate) JobContext);

impl Job {
    /// The job's id, a UUID.
    pub fn id(&self) -> &str {
        &self.0.job_id
    }

    /// The job's name.
    pub fn name(&self) -> &str {
        &self.0.job_name
    }

    /// The workspace that owns the job.
    pub fn workspace_id(&self) -> &str {
        &self.0.workspace_id
    }

    /// The interval's id, a UUID: one firing of the job.
    pub fn interval_id(&self) -> &str {
        &self.0.interval_id
    }

    /// When the interval was due, in milliseconds since 1970-01-01T00:00:00Z; the same on every attempt.
    pub fn scheduled_at_ms(&self) -> u64 {
        self.0.scheduled_at_ms
    }

    /// The job's `tasks` setting, 1 where it has none.
    pub fn tasks(&self) -> u32 {
        self.0.tasks
    }
}

/// One attempt at one task.
#[derive(Debug)]
pub struct Task {
    job: Job,
    index: u32,
    total: u32,
    stage: String,
    stage_index: u32,
    stage_total: u32,
    attempt: u32,
    checkpoint: Option<Vec<u8>>,
    idempotency_key: String,
    fencing_token: u64,
}

impl From<TaskContext> for Task {
    fn from(context: TaskContext) -> Self {
        Self {
            job: Job(context.job),
            index: context.index,
            total: context.total,
            stage: context.stage,
            stage_index: context.stage_index,
            stage_total: context.stage_total,
            attempt: context.attempt,
            checkpoint: context.checkpoint,
            idempotency_key: context.idempotency_key,
            fencing_token: context.fencing_token,
        }
    }
}

impl Task {
    /// The interval that the task belongs to.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// The task's index in its interval: `0..total`.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// How many tasks the interval has.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// The name of the task's stage.
    pub fn stage(&self) -> &str {
        &self.stage
    }

    /// The task's index in its stage: `0..stage_total`.
    pub fn stage_index(&self) -> u32 {
        self.stage_index
    }

    /// How many tasks the stage has.
    pub fn stage_total(&self) -> u32 {
        self.stage_total
    }

    /// Which attempt this is, from 1; attempts that ended with a crash of the host are not counted.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// What the task's last [`checkpoint::save`](crate::checkpoint::save) kept, if any.
    pub fn checkpoint(&self) -> Option<&[u8]> {
        self.checkpoint.as_deref()
    }

    /// Names the task to outside systems: the same on every attempt.
    pub fn idempotency_key(&self) -> &str {
        &self.idempotency_key
    }

    /// Larger on every later attempt, also after a crash.
    pub fn fencing_token(&self) -> u64 {
        self.fencing_token
    }
}
