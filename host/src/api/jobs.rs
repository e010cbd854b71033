//! Jobs.

use super::AppState;
use super::error::{ApiError, ApiResult};
use super::extract::{Body, InPath, id, not_found};
use super::hosts::missing_worker;
use super::job_request::CreateJob;
use super::job_view::JobView;
use super::secrets::check_granted;
use crate::domain::asks_for::{OUTGOING_HTTP, asks_for};
use crate::domain::chain::ChainError;
use crate::domain::ids::JobId;
use crate::domain::job::{Job, JobSpec};
use crate::store::JobDeletion;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Jobs {
    jobs: Vec<JobView>,
}

/// Creates a job: 201 with the whole job. Its plugin and what it is granted must be there now.
pub(super) async fn create(
    State(app): State<AppState>,
    Body(body): Body<CreateJob>,
) -> ApiResult<(StatusCode, HeaderMap, Json<JobView>)> {
    let now = app.clock.now();
    let spec = body.into_spec(&app.host_rules(), now)?;
    check_surroundings(&app, &spec).await?;
    let id = JobId::generate();
    let job = Job::new(id, spec, now);
    app.store.create_job(&job).await?;
    app.wakeups.scheduler.nudge_everywhere();
    let location = HeaderValue::from_str(&format!("/jobs/{id}")).expect("a UUID is a header's text");
    let created = view(&app, job).await?;
    Ok((StatusCode::CREATED, HeaderMap::from_iter([(header::LOCATION, location)]), Json(created)))
}

/// One job, with a warning where it requires labels that no living worker has, or where its plugin asks for what it does
/// not grant.
pub(super) async fn view(app: &AppState, job: Job) -> ApiResult<JobView> {
    let requires = &job.spec.work.requires;
    let missing = if requires.is_empty() { None } else { missing_worker(app, requires).await? };
    let ungranted = missing_grant(app, &job.spec).await?;
    Ok(JobView::from(job).with_warnings(missing.into_iter().chain(ungranted)))
}

/// What the current version of a job's plugin will ask for in vain. Only requests are sure to be meant: directories and
/// variables are asked for by the runtimes of most languages, whether the plugin uses them or not.
async fn missing_grant(app: &AppState, spec: &JobSpec) -> ApiResult<Option<String>> {
    if !spec.work.grants.http.is_empty() {
        return Ok(None);
    }
    let versions = app.store.plugin_versions(&spec.plugin).await?;
    let imports = versions.first().into_iter().flat_map(|version| version.imports.iter().map(String::as_str));
    let is_asked = asks_for(imports).contains(&OUTGOING_HTTP);
    Ok(is_asked.then(|| {
        let asked = "the plugin asks for outgoing HTTP and the job grants none";
        format!("{asked}: its requests will be refused; add `grants.http`")
    }))
}

/// Checks what a job needs beside itself: its plugin, what it is granted, the job that it waits for.
pub(super) async fn check_surroundings(app: &AppState, spec: &JobSpec) -> ApiResult<()> {
    if app.store.plugin_versions(&spec.plugin).await?.is_empty() {
        return Err(ApiError::UnknownPlugin(spec.plugin.clone()));
    }
    for grant in &spec.work.grants.directories {
        app.allowed.directories.check(grant).map_err(|error| ApiError::invalid("grants.directories", error))?;
    }
    for grant in &spec.work.grants.http {
        app.allowed.http.check(grant).map_err(|error| ApiError::invalid("grants.http", error))?;
    }
    check_granted(app, &spec.workspace_id, &spec.work.grants.secrets).await?;
    if let Some(after) = spec.after
        && app.store.job(after.job).await?.is_none()
    {
        return Err(ApiError::invalid("after.job", ChainError::Unknown(after.job)));
    }
    Ok(())
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
    Ok(Json(view(&app, job).await?))
}

/// Deletes a job; its open intervals are cancelled. 409 while other jobs fire at the end of its intervals.
pub(super) async fn remove(State(app): State<AppState>, path: InPath<String>) -> ApiResult<StatusCode> {
    let job: JobId = id("job", path)?;
    match app.store.delete_job(job, app.clock.now()).await? {
        JobDeletion::Deleted => {}
        JobDeletion::Unknown => return Err(not_found("job", job)),
        JobDeletion::Awaited(jobs) => return Err(ApiError::Awaited { job, jobs }),
    }
    app.wakeups.ended.nudge_everywhere();
    Ok(StatusCode::NO_CONTENT)
}
