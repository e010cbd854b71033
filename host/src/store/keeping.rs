//! What the keeper asks the store for.

use crate::domain::ids::JobId;
use crate::domain::retention::History;
use crate::domain::rules::Retention;

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
