//! Past ranges of a job's schedule that are run, or run again.

use super::AppState;
use super::error::{ApiError, ApiResult};
use super::extract::{Body, InPath, id, not_found};
use super::operations::known_job;
use crate::domain::backfill::{Backfill, BackfillMode, BackfillState, instants, wanted};
use crate::domain::ids::{BackfillId, JobId};
use crate::domain::job::MAX_PARALLEL_MAX;
use crate::domain::timestamp::Timestamp;
use crate::store::BackfillRecord;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

/// How many of the firings a dry run names.
const NAMED_MAX: usize = 1_000;

/// How many backfills of a job are listed.
const LISTED_MAX: u32 = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BackfillRequest {
    from: String,
    until: Option<String>,
    mode: BackfillMode,
    #[serde(default)]
    dry_run: bool,
    max_parallel: Option<u32>,
}

/// What a backfill would do.
#[derive(Serialize)]
struct DryRun {
    mode: BackfillMode,
    from: String,
    until: String,
    planned: usize,
    /// The first of them, where they are many.
    firings: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct BackfillView {
    id: String,
    job_id: String,
    mode: BackfillMode,
    state: BackfillState,
    from: String,
    until: String,
    max_parallel: u32,
    planned: u64,
    fired: u64,
    open: u64,
    succeeded: u64,
    failed: u64,
    created_at: String,
    finished_at: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Backfills {
    backfills: Vec<BackfillView>,
}

/// Runs the job's firings of a past range again: 202 with the backfill. A dry run answers 200 with what it would fire,
/// and changes nothing.
pub(super) async fn create(
    State(app): State<AppState>,
    path: InPath<String>,
    Body(request): Body<BackfillRequest>,
) -> ApiResult<Response> {
    let job = known_job(&app, id("job", path)?).await?;
    let now = app.clock.now();
    let from = instant("from", &request.from)?;
    let until = request.until.as_deref().map_or(Ok(now), |text| instant("until", text))?;
    let max_parallel = request.max_parallel.unwrap_or(1);
    if !(1..=MAX_PARALLEL_MAX).contains(&max_parallel) {
        return Err(ApiError::invalid("max_parallel", format!("takes 1 to {MAX_PARALLEL_MAX}, not {max_parallel}")));
    }
    let schedule = job.spec.schedule.clone();
    // A hundred thousand instants of a calendar take a while: not on the threads that answer others.
    let instants = tokio::task::spawn_blocking(move || instants(&schedule, from, until, now)).await;
    let instants = instants.map_err(|error| ApiError::BadRequest(error.to_string()))??;
    let history = app.store.firing_history(job.id, from, until).await?;
    let firings = wanted(request.mode, &instants, &history);
    if request.dry_run {
        let named = firings.iter().take(NAMED_MAX).map(Timestamp::to_string).collect();
        let (from, until) = (from.to_string(), until.to_string());
        let dry_run = DryRun { mode: request.mode, from, until, planned: firings.len(), firings: named };
        return Ok(Json(dry_run).into_response());
    }
    let backfill = Backfill {
        id: BackfillId::generate(),
        job: job.id,
        mode: request.mode,
        state: BackfillState::Running,
        from,
        until,
        next_at: from,
        max_parallel,
        planned: firings.len() as u64,
        fired: 0,
        created_at: now,
        finished_at: None,
    };
    if !app.store.create_backfill(&backfill).await? {
        return Err(not_found("job", job.id));
    }
    app.wakeups.backfiller.nudge_everywhere();
    Ok((StatusCode::ACCEPTED, known(&app, backfill.id).await?).into_response())
}

/// The latest backfills of a job, the newest first.
pub(super) async fn list(State(app): State<AppState>, path: InPath<String>) -> ApiResult<Json<Backfills>> {
    let job: JobId = id("job", path)?;
    known_job(&app, job).await?;
    let backfills = app.store.backfills_of(job, LISTED_MAX).await?;
    Ok(Json(Backfills { backfills: backfills.into_iter().map(BackfillView::from).collect() }))
}

/// One backfill.
pub(super) async fn show(State(app): State<AppState>, path: InPath<String>) -> ApiResult<Json<BackfillView>> {
    known(&app, id("backfill", path)?).await
}

/// Ends a backfill and cancels its open intervals. The same again for one that is cancelled already.
pub(super) async fn cancel(State(app): State<AppState>, path: InPath<String>) -> ApiResult<Json<BackfillView>> {
    let backfill: BackfillId = id("backfill", path)?;
    let is_cancelled = app.store.cancel_backfill(backfill, app.clock.now()).await?;
    let Json(view) = known(&app, backfill).await?;
    if !is_cancelled && view.state != BackfillState::Cancelled {
        return Err(ApiError::BackfillEnded(backfill));
    }
    app.wakeups.ended.nudge_everywhere();
    app.wakeups.executor.nudge_everywhere();
    Ok(Json(view))
}

async fn known(app: &AppState, backfill: BackfillId) -> ApiResult<Json<BackfillView>> {
    let record = app.store.backfill(backfill).await?.ok_or_else(|| not_found("backfill", backfill))?;
    Ok(Json(record.into()))
}

fn instant(field: &str, text: &str) -> ApiResult<Timestamp> {
    let instant = chrono::DateTime::parse_from_rfc3339(text);
    let instant = instant.map_err(|_| ApiError::invalid(field, "takes an instant: 2030-01-31T12:00:00Z"))?;
    Ok(instant.to_utc().into())
}

impl From<BackfillRecord> for BackfillView {
    fn from(record: BackfillRecord) -> Self {
        let BackfillRecord { backfill, open, succeeded, failed } = record;
        Self {
            id: backfill.id.to_string(),
            job_id: backfill.job.to_string(),
            mode: backfill.mode,
            state: backfill.state,
            from: backfill.from.to_string(),
            until: backfill.until.to_string(),
            max_parallel: backfill.max_parallel,
            planned: backfill.planned,
            fired: backfill.fired,
            open,
            succeeded,
            failed,
            created_at: backfill.created_at.to_string(),
            finished_at: backfill.finished_at.as_ref().map(Timestamp::to_string),
        }
    }
}
