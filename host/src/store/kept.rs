//! What plugins keep beyond their tasks' bits: checkpoints, events, keys.

use crate::domain::ids::{IntervalId, TaskIndex};
use crate::domain::key_quota::OverQuota;
use crate::domain::timestamp::Timestamp;

/// What a running task wants to keep for its next attempt.
#[derive(Debug, Clone)]
pub struct CheckpointSave {
    /// The interval.
    pub interval: IntervalId,
    /// The task's segment, by its place in the interval.
    pub segment: u32,
    /// The task.
    pub index: TaskIndex,
    /// What it saved, in the place of what it saved before.
    pub bytes: Vec<u8>,
}

/// Writes to keys that were refused, and whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedKeys {
    /// The interval.
    pub interval: IntervalId,
    /// The task; none for the plan.
    pub index: Option<TaskIndex>,
    /// Why.
    pub over: OverQuota,
}

/// An event as it is kept.
#[derive(Debug, Clone)]
pub struct EventRecord {
    /// Larger for events that were recorded later.
    pub id: i64,
    /// The task; none for an event of the plan.
    pub index: Option<TaskIndex>,
    /// When it was emitted.
    pub at: Timestamp,
    /// What kind of news it is.
    pub name: String,
    /// The news, a JSON text.
    pub body: String,
}
