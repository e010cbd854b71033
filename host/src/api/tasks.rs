//! The tasks of an interval: their states are read from the bitmaps, the rest from what is kept of them.

use super::AppState;
use super::error::{ApiError, ApiResult};
use super::extract::{InPath, Parameters, not_found};
use crate::domain::ids::{IntervalId, TaskIndex};
use crate::domain::progress::Progress;
use crate::domain::timestamp::Timestamp;
use crate::store::{SegmentRecord, StageRecord, TaskNote};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

/// The longest page.
const PAGE_MAX: usize = 1_000;

/// A page ends with the task whose output brings it to this size.
const OUTPUT_BYTES_MAX: usize = 16 << 20;

/// How many tasks' outputs are read at a time; each may have a mebibyte.
const READ_TOGETHER: u32 = 16;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TaskParameters {
    state: Option<TaskState>,
    after: Option<u32>,
    limit: Option<usize>,
}

#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum TaskState {
    Pending,
    Running,
    Waiting,
    Succeeded,
    Failed,
}

#[derive(Serialize)]
pub(super) struct Tasks {
    tasks: Vec<TaskView>,
}

/// A page in the making.
struct Page {
    tasks: Vec<TaskView>,
    limit: usize,
    output_bytes: usize,
}

#[derive(Serialize)]
pub(super) struct TaskView {
    index: u32,
    stage: String,
    state: TaskState,
    attempts: u32,
    crashes: u32,
    failure: Option<FailureView>,
    retry_at: Option<String>,
    output: Option<serde_json::Value>,
}

#[derive(Serialize)]
struct FailureView {
    kind: String,
    message: String,
}

impl TaskState {
    fn is_idle(self) -> bool {
        matches!(self, Self::Pending | Self::Waiting)
    }
}

impl Page {
    fn new(limit: usize) -> Self {
        Self { tasks: Vec::new(), limit, output_bytes: 0 }
    }

    fn is_full(&self) -> bool {
        self.tasks.len() >= self.limit || self.output_bytes >= OUTPUT_BYTES_MAX
    }

    /// Adds a task, where there is still room for it.
    fn add(&mut self, index: u32, note: TaskNote, segment: &SegmentRecord, stages: &[StageRecord]) {
        if !self.is_full() {
            self.output_bytes += note.output.as_ref().map_or(0, Vec::len);
            self.tasks.push(view(index, note, segment, stages));
        }
    }
}

/// Tasks after an index, ascending, of all states or one.
///
/// A page ends at `limit` or at [`OUTPUT_BYTES_MAX`] of outputs, so it may be shorter than `limit`: whoever wants all
/// asks on after the last index, until a page is empty.
pub(super) async fn list(
    State(app): State<AppState>,
    InPath(text): InPath<String>,
    Parameters(parameters): Parameters<TaskParameters>,
) -> ApiResult<Json<Tasks>> {
    let interval = known_interval(&app, &text).await?;
    let stages = app.store.stages(interval).await?;
    let mut page = Page::new(parameters.limit.unwrap_or(100).min(PAGE_MAX));
    let mut from = parameters.after.map_or(0, |after| after.saturating_add(1));
    while !page.is_full() {
        let Some(segment) = app.store.segments(interval, TaskIndex(from), 1).await?.pop() else { break };
        let end = segment.first + segment.progress.length();
        let wanted: Vec<u32> =
            (from..end).filter(|index| may_be(parameters.state, &segment.progress, index - segment.first)).collect();
        for indices in wanted.chunk_by(|one, next| is_read_together(parameters.state, *one, *next)) {
            if page.is_full() {
                break;
            }
            let last = indices.last().expect("no chunk is empty");
            let mut notes = app.store.task_notes(interval, TaskIndex(indices[0]), TaskIndex(*last)).await?;
            for index in indices {
                let note = notes.remove(&TaskIndex(*index)).unwrap_or_default();
                if parameters
                    .state
                    .is_none_or(|wanted| state(&segment.progress, index - segment.first, &note) == wanted)
                {
                    page.add(*index, note, &segment, &stages);
                }
            }
        }
        from = end;
    }
    Ok(Json(Tasks { tasks: page.tasks }))
}

/// One task.
pub(super) async fn show(
    State(app): State<AppState>,
    InPath((text, index)): InPath<(String, String)>,
) -> ApiResult<Json<TaskView>> {
    let interval = known_interval(&app, &text).await?;
    let index: u32 = index.parse().map_err(|_| not_found("task", &index))?;
    let segment = app.store.segments(interval, TaskIndex(index), 1).await?.pop();
    let segment = segment.ok_or_else(|| not_found("task", index))?;
    let note = app.store.task_notes(interval, TaskIndex(index), TaskIndex(index)).await?.remove(&TaskIndex(index));
    let stages = app.store.stages(interval).await?;
    Ok(Json(view(index, note.unwrap_or_default(), &segment, &stages)))
}

async fn known_interval(app: &AppState, text: &str) -> Result<IntervalId, ApiError> {
    let interval: IntervalId = text.parse().map_err(|_| not_found("interval", text))?;
    app.store.interval(interval).await?.ok_or_else(|| not_found("interval", text))?;
    Ok(interval)
}

fn view(index: u32, note: TaskNote, segment: &SegmentRecord, stages: &[StageRecord]) -> TaskView {
    let state = state(&segment.progress, index - segment.first, &note);
    let stage = stages.iter().rfind(|record| record.stage.first <= index && record.stage.tasks > 0);
    let is_over = matches!(state, TaskState::Succeeded);
    TaskView {
        index,
        stage: stage.map(|record| record.stage.name.clone()).unwrap_or_default(),
        state,
        // A row counts failed attempts; the one that succeeded is not among them.
        attempts: note.attempts + u32::from(is_over || state == TaskState::Running),
        crashes: note.crashes,
        failure: note.failure.map(|(kind, message)| FailureView { kind, message }),
        retry_at: note.retry_at.filter(|_| state == TaskState::Waiting).as_ref().map(Timestamp::to_string),
        output: note.output.map(output),
    }
}

fn state(progress: &Progress, offset: u32, note: &TaskNote) -> TaskState {
    let idle = || if note.retry_at.is_some() { TaskState::Waiting } else { TaskState::Pending };
    state_by_bitmaps(progress, offset).unwrap_or_else(idle)
}

/// None for a task that is pending or waits: its note tells which.
fn state_by_bitmaps(progress: &Progress, offset: u32) -> Option<TaskState> {
    if progress.done().contains(offset) {
        Some(TaskState::Succeeded)
    } else if progress.failed().contains(offset) {
        Some(TaskState::Failed)
    } else if progress.running().contains(offset) {
        Some(TaskState::Running)
    } else {
        None
    }
}

/// Whether the bitmaps leave it possible that a task is in the wanted state.
fn may_be(wanted: Option<TaskState>, progress: &Progress, offset: u32) -> bool {
    let Some(wanted) = wanted else { return true };
    state_by_bitmaps(progress, offset).map_or(wanted.is_idle(), |state| state == wanted)
}

/// Whether the notes of two wanted tasks, one after the other, are read at once.
///
/// Idle tasks have no output yet, so any number of neighbours is read at once; others at most [`READ_TOGETHER`].
fn is_read_together(wanted: Option<TaskState>, one: u32, next: u32) -> bool {
    if wanted.is_some_and(TaskState::is_idle) {
        return one + 1 == next;
    }
    one / READ_TOGETHER == next / READ_TOGETHER
}

/// JSON as such, other text as a string, other bytes as hexadecimal digits.
fn output(bytes: Vec<u8>) -> serde_json::Value {
    serde_json::from_slice(&bytes).unwrap_or_else(|_| match String::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(error) => hex::encode(error.into_bytes()).into(),
    })
}
