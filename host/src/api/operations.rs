//! What people do to jobs and intervals: pause and resume, trigger, cancel, retry.

use super::AppState;
use super::error::{ApiError, ApiResult};
use super::extract::{InPath, OptionalBody, id, not_found};
use super::interval_view::IntervalView;
use super::job_view::JobView;
use crate::domain::firing::UnrunFiring;
use crate::domain::ids::{IntervalId, JobId};
use crate::domain::interval::{Firing, IntervalState, Origin};
use crate::domain::job::{Job, JobStatus};
use crate::domain::pausing::{Passed, Resumption, resumption};
use crate::domain::timestamp::Timestamp;
use crate::store::{Cancellation, NewInterval, Resume, Retrial, Triggered};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

/// The most characters of a reason, and of an idempotency key.
const REASON_MAX: usize = 1_000;
const KEY_MAX: usize = 255;

/// Why somebody does what they do.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Motive {
    reason: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct TriggerRequest {
    idempotency_key: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Started {
    interval_id: String,
}

/// Keeps a job from firing by itself. Its open intervals go on, and it can still be triggered.
pub(super) async fn pause(
    State(app): State<AppState>,
    path: InPath<String>,
    OptionalBody(motive): OptionalBody<Motive>,
) -> ApiResult<Json<JobView>> {
    let job: JobId = id("job", path)?;
    let reason = motive.or("paused by a person")?;
    app.store.pause_job(job, &reason, app.clock.now()).await?;
    Ok(Json(known_job(&app, job).await?.into()))
}

/// Lets a paused job fire again, from the next instant of its schedule on. What passed meanwhile is kept as one
/// skipped interval.
pub(super) async fn resume(State(app): State<AppState>, path: InPath<String>) -> ApiResult<Json<JobView>> {
    let job = known_job(&app, id("job", path)?).await?;
    if let JobStatus::Paused { reason } = &job.status {
        let now = app.clock.now();
        let Resumption { next, skipped } = resumption(&job, reason, now);
        let skipped = skipped.map(|(passed, reason)| skipped_firings(passed, reason, now));
        app.store.resume_job(&Resume { job: job.id, next, skipped }, now).await?;
        app.wakeups.scheduler.nudge_everywhere();
    }
    Ok(Json(known_job(&app, job.id).await?.into()))
}

/// A record of firings that did not run.
pub(super) fn skipped_firings(passed: Passed, reason: String, decided_at: Timestamp) -> UnrunFiring {
    let Passed { first_at: scheduled_at, last_at, count } = passed;
    let (id, state) = (IntervalId::generate(), IntervalState::Skipped);
    UnrunFiring { id, state, reason, scheduled_at, last_at, count, decided_at }
}

/// Starts an interval now, beside the schedule: 202 with its id. A request that comes again with the same
/// `Idempotency-Key` gets the same interval and starts nothing.
pub(super) async fn trigger(
    State(app): State<AppState>,
    path: InPath<String>,
    headers: HeaderMap,
    OptionalBody(request): OptionalBody<TriggerRequest>,
) -> ApiResult<(StatusCode, Json<Started>)> {
    let job = known_job(&app, id("job", path)?).await?;
    let key = idempotency_key(&headers, request)?;
    let (interval, now) = (IntervalId::generate(), app.clock.now());
    let firing = Firing { interval, job: job.id, origin: Origin::Trigger, scheduled_at: now, fired_at: now };
    let is_tracked = app.recovery.is_enabled && job.spec.enable_recovery;
    let interval = match app.store.trigger(&NewInterval { firing, is_tracked }, key.as_deref()).await? {
        Triggered::Started => interval,
        Triggered::Again(earlier) => earlier,
        Triggered::UnknownJob => return Err(not_found("job", job.id)),
    };
    app.wakeups.executor.nudge_everywhere();
    Ok((StatusCode::ACCEPTED, Json(Started { interval_id: interval.to_string() })))
}

fn idempotency_key(headers: &HeaderMap, request: TriggerRequest) -> ApiResult<Option<String>> {
    const TAKES: &str = "takes 1 to 255 characters of ASCII";
    let header = headers.get("idempotency-key").map(|value| value.to_str().map(str::to_owned));
    let header = header.transpose().map_err(|_| ApiError::invalid("Idempotency-Key", TAKES))?;
    let key = match (header, request.idempotency_key) {
        (Some(header), Some(field)) if header != field => {
            return Err(ApiError::invalid("idempotency_key", "says something else than the header Idempotency-Key"));
        }
        (header, field) => header.or(field),
    };
    let is_sound = |key: &String| !key.trim().is_empty() && key.is_ascii() && key.len() <= KEY_MAX;
    if key.as_ref().is_some_and(|key| !is_sound(key)) {
        return Err(ApiError::invalid("idempotency_key", TAKES));
    }
    Ok(key)
}

/// Cancels an interval: its running tasks are interrupted, what has completed stays. The same again for one that is
/// cancelled already.
pub(super) async fn cancel(
    State(app): State<AppState>,
    path: InPath<String>,
    OptionalBody(motive): OptionalBody<Motive>,
) -> ApiResult<Json<IntervalView>> {
    let interval: IntervalId = id("interval", path)?;
    let reason = motive.or("cancelled by a person")?;
    match app.store.cancel_interval(interval, &reason, app.clock.now()).await? {
        Cancellation::Cancelled(_) => {
            app.wakeups.ended.nudge_everywhere();
            app.wakeups.executor.nudge_everywhere();
        }
        Cancellation::Again => {}
        Cancellation::Ended(state) => return Err(ApiError::Ended { interval, state }),
        Cancellation::Unknown => return Err(not_found("interval", interval)),
    }
    known_interval(&app, interval).await
}

/// Runs what failed of an interval, or was cut off, again: 202 with the interval, which is open again.
pub(super) async fn retry(
    State(app): State<AppState>,
    path: InPath<String>,
) -> ApiResult<(StatusCode, Json<IntervalView>)> {
    let interval: IntervalId = id("interval", path)?;
    match app.store.retry_interval(interval, app.clock.now()).await? {
        Retrial::Reopened => {}
        Retrial::Refused(why) => return Err(ApiError::NotRetried { interval, why }),
        Retrial::Unknown => return Err(not_found("interval", interval)),
    }
    app.wakeups.ended.nudge_everywhere();
    app.wakeups.executor.nudge_everywhere();
    Ok((StatusCode::ACCEPTED, known_interval(&app, interval).await?))
}

impl Motive {
    fn or(self, otherwise: &str) -> ApiResult<String> {
        let Some(reason) = self.reason else { return Ok(otherwise.to_owned()) };
        if reason.trim().is_empty() || reason.chars().count() > REASON_MAX {
            return Err(ApiError::invalid("reason", format!("takes 1 to {REASON_MAX} characters")));
        }
        Ok(reason)
    }
}

pub(super) async fn known_job(app: &AppState, job: JobId) -> ApiResult<Job> {
    app.store.job(job).await?.ok_or_else(|| not_found("job", job))
}

async fn known_interval(app: &AppState, interval: IntervalId) -> ApiResult<Json<IntervalView>> {
    let record = app.store.interval(interval).await?.ok_or_else(|| not_found("interval", interval))?;
    Ok(Json(record.into()))
}
