//! What a call is told.

use super::bindings::types as wit;
use crate::domain::ids::{IntervalId, JobId, TaskIndex};
use crate::domain::timestamp::Timestamp;

/// The interval that a call belongs to.
#[derive(Debug, Clone)]
pub struct JobInput {
    /// The workspace that owns the job.
    pub workspace_id: String,
    /// The job.
    pub job: JobId,
    /// The job's name.
    pub job_name: String,
    /// The interval.
    pub interval: IntervalId,
    /// When it was due.
    pub scheduled_at: Timestamp,
    /// The job's payload, a JSON text.
    pub payload: String,
    /// How many tasks run where the plan names no stage.
    pub tasks: u32,
}

/// One attempt at one task.
#[derive(Debug, Clone)]
pub struct TaskInput<'a> {
    /// The interval.
    pub job: &'a JobInput,
    /// The task's index in the interval.
    pub index: TaskIndex,
    /// How many tasks the interval has.
    pub total: u32,
    /// The stage's name.
    pub stage: &'a str,
    /// The task's index in the stage.
    pub stage_index: u32,
    /// How many tasks the stage has.
    pub stage_total: u32,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// Larger on every later attempt.
    pub fencing_token: u64,
    /// What an earlier attempt saved last.
    pub checkpoint: Option<Vec<u8>>,
}

impl JobInput {
    /// What names the plan of the interval to others, whatever happens to hosts.
    pub(super) fn idempotency_key(&self) -> String {
        format!("{}/plan", self.interval)
    }
}

impl TaskInput<'_> {
    /// What names the task to others: the same on every attempt, and no other task's.
    pub(super) fn idempotency_key(&self) -> String {
        format!("{}/{}", self.job.interval, self.index)
    }
}

impl From<&JobInput> for wit::JobContext {
    fn from(job: &JobInput) -> Self {
        Self {
            workspace_id: job.workspace_id.clone(),
            job_id: job.job.to_string(),
            job_name: job.job_name.clone(),
            interval_id: job.interval.to_string(),
            scheduled_at_ms: u64::try_from(job.scheduled_at.ms()).unwrap_or(0),
            payload: job.payload.clone(),
            tasks: job.tasks,
        }
    }
}

impl From<&TaskInput<'_>> for wit::TaskContext {
    fn from(task: &TaskInput<'_>) -> Self {
        Self {
            job: task.job.into(),
            index: task.index.0,
            total: task.total,
            stage: task.stage.to_owned(),
            stage_index: task.stage_index,
            stage_total: task.stage_total,
            attempt: task.attempt,
            checkpoint: task.checkpoint.clone(),
            idempotency_key: task.idempotency_key(),
            fencing_token: task.fencing_token,
        }
    }
}
