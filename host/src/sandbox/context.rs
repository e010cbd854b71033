//! What a call is told.

use super::bindings::types as wit;
use crate::domain::ids::{IntervalId, JobId, TaskIndex};
use crate::domain::timestamp::Timestamp;
use std::fmt::Write as _;

/// An interval's id, a stroke and the digits of an index.
const KEY_TEXT_BYTES: usize = 36 + 1 + 10;

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

/// What names a task, or the plan of an interval, to others: the same on every attempt, whatever happens to hosts, and
/// with the interval's id no other's.
#[derive(Debug, Clone, Copy)]
pub(super) enum IdempotencyKey {
    Plan,
    Task(TaskIndex),
}

impl IdempotencyKey {
    pub(super) fn text(self, ids: &IdTexts) -> String {
        let mut text = String::with_capacity(KEY_TEXT_BYTES);
        text.push_str(&ids.interval);
        match self {
            Self::Plan => text.push_str("/plan"),
            Self::Task(index) => write!(text, "/{index}").expect("a text takes all"),
        }
        text
    }
}

/// A job's and an interval's identity as texts, which contexts borrow.
pub(super) struct IdTexts {
    job: String,
    interval: String,
}

impl JobInput {
    pub(super) fn id_texts(&self) -> IdTexts {
        IdTexts { job: self.job.to_string(), interval: self.interval.to_string() }
    }

    /// The same as the contract has it.
    pub(super) fn context<'a>(&'a self, ids: &'a IdTexts) -> wit::JobContext<'a> {
        wit::JobContext {
            workspace_id: &self.workspace_id,
            job_id: &ids.job,
            job_name: &self.job_name,
            interval_id: &ids.interval,
            scheduled_at_ms: u64::try_from(self.scheduled_at.ms()).unwrap_or(0),
            payload: &self.payload,
            tasks: self.tasks,
        }
    }
}

impl TaskInput<'_> {
    /// The same as the contract has it.
    pub(super) fn context<'a>(&'a self, job: wit::JobContext<'a>, key: &'a str) -> wit::TaskContext<'a> {
        wit::TaskContext {
            job,
            index: self.index.0,
            total: self.total,
            stage: self.stage,
            stage_index: self.stage_index,
            stage_total: self.stage_total,
            attempt: self.attempt,
            checkpoint: self.checkpoint.as_deref(),
            idempotency_key: key,
            fencing_token: self.fencing_token,
        }
    }
}
