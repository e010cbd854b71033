//! Intervals and their logs.

use super::AppState;
use super::error::ApiResult;
use super::extract::{InPath, Parameters, id, not_found};
use super::hosts::missing_worker;
use super::interval_view::{IntervalView, LogView};
use crate::domain::ids::{IntervalId, JobId, TaskIndex};
use crate::domain::progress::Ranges;
use crate::store::{Result as StoreResult, Store, StoreError};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

/// How many segments are read at a time.
const SEGMENTS_PAGE: u32 = 64;

/// The longest page of intervals or log lines.
const PAGE_MAX: u32 = 1_000;

#[derive(Serialize)]
pub(super) struct Intervals {
    intervals: Vec<IntervalView>,
}

#[derive(Serialize)]
pub(super) struct Logs {
    logs: Vec<LogView>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListParameters {
    limit: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogParameters {
    index: Option<u32>,
    after: Option<i64>,
    limit: Option<u32>,
}

/// The latest intervals of a job, the newest first.
pub(super) async fn list(
    State(app): State<AppState>,
    path: InPath<String>,
    Parameters(parameters): Parameters<ListParameters>,
) -> ApiResult<Json<Intervals>> {
    let job: JobId = id("job", path)?;
    app.store.job(job).await?.ok_or_else(|| not_found("job", job))?;
    let intervals = app.store.intervals_of(job, parameters.limit.unwrap_or(100).min(PAGE_MAX)).await?;
    Ok(Json(Intervals { intervals: intervals.into_iter().map(IntervalView::from).collect() }))
}

/// One interval with its stages and the indices that have completed.
pub(super) async fn show(State(app): State<AppState>, path: InPath<String>) -> ApiResult<Json<IntervalView>> {
    let interval: IntervalId = id("interval", path)?;
    let record = app.store.interval(interval).await?.ok_or_else(|| not_found("interval", interval))?;
    let stages = app.store.stages(interval).await?;
    let completed = match completed_indices(&*app.store, interval).await {
        // Damaged progress is a reason to abandon an interval; the rest of it can still be shown.
        Err(StoreError::Unreadable { .. }) => None,
        completed => Some(completed?),
    };
    let worker = if record.state.is_open() && record.counts.running == 0 {
        missing_worker(&app, &record.requires).await?
    } else {
        None
    };
    Ok(Json(IntervalView::from(record).with_details(completed, &stages).waiting_for(worker)))
}

/// Log lines of an interval, or of one of its tasks, the oldest first; `after` is the id of the last line seen.
pub(super) async fn logs(
    State(app): State<AppState>,
    path: InPath<String>,
    Parameters(parameters): Parameters<LogParameters>,
) -> ApiResult<Json<Logs>> {
    let interval: IntervalId = id("interval", path)?;
    app.store.interval(interval).await?.ok_or_else(|| not_found("interval", interval))?;
    let limit = parameters.limit.unwrap_or(100).min(PAGE_MAX);
    let lines = app.store.logs(interval, parameters.index.map(TaskIndex), parameters.after.unwrap_or(0), limit).await?;
    Ok(Json(Logs { logs: lines.into_iter().map(LogView::from).collect() }))
}

async fn completed_indices(store: &dyn Store, interval: IntervalId) -> StoreResult<String> {
    let mut completed = Ranges::default();
    let mut from = TaskIndex(0);
    loop {
        let segments = store.segments(interval, from, SEGMENTS_PAGE).await?;
        let Some(last) = segments.last() else { return Ok(completed.to_string()) };
        from = TaskIndex(last.first + last.progress.length());
        for segment in &segments {
            segment.progress.done().iter().for_each(|offset| completed.push(segment.first + offset));
        }
    }
}
