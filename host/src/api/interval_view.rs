//! An interval as clients see it.

use crate::domain::labels::Labels;
use crate::domain::timestamp::Timestamp;
use crate::store::{IntervalRecord, LogRecord, StageRecord};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct IntervalView {
    id: String,
    job_id: String,
    plugin: String,
    digest: Option<String>,
    origin: String,
    replaces: Option<String>,
    caused_by: Option<String>,
    backfill_id: Option<String>,
    reopened: u32,
    state: &'static str,
    reason: Option<String>,
    scheduled_at: String,
    started_at: Option<String>,
    finished_at: Option<String>,
    lateness_ms: i64,
    total: u64,
    completed: u64,
    failed: u64,
    running: u64,
    duplicates: u64,
    recovery_attempts: u32,
    requires: Labels,
    /// What keeps an open interval from going on, where no living host can take it up.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_indices: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stages: Vec<StageView>,
}

#[derive(Serialize)]
pub(super) struct StageView {
    name: String,
    first_index: u32,
    tasks: u32,
    waits_for: Vec<String>,
    state: &'static str,
    completed: u64,
    failed: u64,
}

impl From<IntervalRecord> for IntervalView {
    fn from(interval: IntervalRecord) -> Self {
        Self {
            id: interval.id.to_string(),
            job_id: interval.job.to_string(),
            plugin: interval.plugin,
            digest: interval.digest,
            origin: interval.origin,
            replaces: interval.replaces.map(|id| id.to_string()),
            caused_by: interval.caused_by.map(|id| id.to_string()),
            backfill_id: interval.backfill.map(|id| id.to_string()),
            reopened: interval.reopened,
            state: interval.state.name(),
            reason: interval.reason,
            scheduled_at: interval.scheduled_at.to_string(),
            started_at: interval.started_at.as_ref().map(Timestamp::to_string),
            finished_at: interval.finished_at.as_ref().map(Timestamp::to_string),
            lateness_ms: interval.fired_at.ms() - interval.scheduled_at.ms(),
            total: interval.counts.total,
            completed: interval.counts.completed,
            failed: interval.counts.failed,
            running: interval.counts.running,
            duplicates: interval.duplicates,
            recovery_attempts: interval.recovery_attempts,
            requires: interval.requires,
            waits_for: None,
            completed_indices: None,
            stages: Vec::new(),
        }
    }
}

impl IntervalView {
    /// Says why nothing of it can run just now.
    pub(super) fn waiting_for(self, worker: Option<String>) -> Self {
        Self { waits_for: worker, ..self }
    }

    /// Adds what only the view of a single interval has.
    pub(super) fn with_details(self, completed_indices: Option<String>, stages: &[StageRecord]) -> Self {
        let name = |place: &u32| stages[*place as usize].stage.name.clone();
        let stages = stages
            .iter()
            .map(|record| StageView {
                name: record.stage.name.clone(),
                first_index: record.stage.first,
                tasks: record.stage.tasks,
                waits_for: record.stage.waits_for.iter().map(name).collect(),
                state: stage_state(record, self.state),
                completed: record.completed,
                failed: record.failed,
            })
            .collect();
        Self { completed_indices, stages, ..self }
    }
}

/// A stage with tasks that are not settled is as its interval is: running, or cut off by however that has ended.
fn stage_state(record: &StageRecord, interval: &'static str) -> &'static str {
    match (record.is_open, record.unsettled_segments, record.failed) {
        (false, ..) => "pending",
        (true, 0, 0) => "succeeded",
        (true, 0, _) => "failed",
        (true, ..) => interval,
    }
}

#[derive(Serialize)]
pub(super) struct LogView {
    id: i64,
    index: Option<u32>,
    attempt: u32,
    at: String,
    level: String,
    message: String,
}

impl From<LogRecord> for LogView {
    fn from(line: LogRecord) -> Self {
        Self {
            id: line.id,
            index: line.index.map(|index| index.0),
            attempt: line.attempt,
            at: line.at.to_string(),
            level: line.level,
            message: line.message,
        }
    }
}
