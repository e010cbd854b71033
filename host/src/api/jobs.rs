//! Jobs.

use super::AppState;
use super::error::{ApiError, ApiResult};
use super::extract::{Body, InPath, id, not_found};
use super::job_request::CreateJob;
use super::job_view::JobView;
use crate::domain::ids::{IntervalId, JobId};
use crate::domain::interval::{Firing, Origin};
use crate::domain::job::Job;
use crate::store::NewInterval;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Jobs {
    jobs: Vec<JobView>,
}

#[derive(Serialize)]
pub(super) struct Triggered {
    interval_id: String,
}

/// Creates a job: 201 with the whole job. Its plugin and the directories it is granted must be there now.
pub(super) async fn create(
    State(app): State<AppState>,
    Body(body): Body<CreateJob>,
) -> ApiResult<(StatusCode, HeaderMap, Json<JobView>)> {
    let now = app.clock.now();
    if app.store.plugin_versions(body.plugin()).await?.is_empty() {
        return Err(ApiError::UnknownPlugin(body.plugin().to_owned()));
    }
    let spec = body.into_spec(app.recovery.is_default, now)?;
    for grant in &spec.work.grants.directories {
        app.allowed.check(grant).map_err(|error| ApiError::invalid("grants.directories", error))?;
    }
    let id = JobId::generate();
    let job = Job::new(id, spec, now);
    app.store.create_job(&job).await?;
    app.wakeups.scheduler.nudge();
    let location = HeaderValue::from_str(&format!("/jobs/{id}")).expect("a UUID is a header's text");
    Ok((StatusCode::CREATED, HeaderMap::from_iter([(header::LOCATION, location)]), Json(job.into())))
}

/// All jobs, the oldest first.
pub(super) async fn list(State(app): State<AppState>) -> ApiResult<Json<Jobs>> {
    let jobs = app.store.jobs().await?;
    Ok(Json(Jobs { jobs: jobs.into_iter().map(JobView::from).collect() }))
}

/// One job.
pub(super) async fn show(State(app): State<AppState>, path: InPath<String>) -> ApiResult<Json<JobView>> {
    let job: JobId = id("job", path)?;
    let job = app.store.job(job).await?.ok_or_else(|| not_found("job", job))?;
    Ok(Json(job.into()))
}

/// Deletes a job; its open intervals are cancelled.
pub(super) async fn remove(State(app): State<AppState>, path: InPath<String>) -> ApiResult<StatusCode> {
    let job: JobId = id("job", path)?;
    if !app.store.delete_job(job, app.clock.now()).await? {
        return Err(not_found("job", job));
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Starts an interval now, beside the schedule: 202 with its id.
pub(super) async fn trigger(
    State(app): State<AppState>,
    path: InPath<String>,
) -> ApiResult<(StatusCode, Json<Triggered>)> {
    let id: JobId = id("job", path)?;
    let job = app.store.job(id).await?.ok_or_else(|| not_found("job", id))?;
    let (interval, now) = (IntervalId::generate(), app.clock.now());
    let firing = Firing { interval, job: id, origin: Origin::Trigger, scheduled_at: now, fired_at: now };
    let is_tracked = app.recovery.is_enabled && job.spec.enable_recovery;
    if !app.store.trigger(&NewInterval { firing, is_tracked }).await? {
        return Err(not_found("job", id));
    }
    app.wakeups.executor.nudge();
    Ok((StatusCode::ACCEPTED, Json(Triggered { interval_id: interval.to_string() })))
}
