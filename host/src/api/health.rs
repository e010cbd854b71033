//! Whether the host serves, what is wrong where it does not, and the state of recovery.

use super::AppState;
use super::error::ApiError;
use crate::domain::presence::Presence;
use crate::domain::timestamp::Timestamp;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use std::time::Duration;
use tokio::sync::watch;

/// How long the database may be away before that is the host's state: a connection that was cut is made again.
const MOMENT: Duration = Duration::from_secs(1);

/// How long is waited for what is only told and does not decide.
const TELL_WITHIN: Duration = Duration::from_secs(1);

#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
    host_id: String,
    incarnation_id: String,
    checks: Checks,
    recovery: RecoveryHealth,
}

#[derive(Serialize)]
struct Checks {
    database: DatabaseCheck,
    lease: LeaseCheck,
}

#[derive(Serialize)]
struct DatabaseCheck {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Serialize)]
struct LeaseCheck {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
}

#[derive(Serialize)]
struct RecoveryHealth {
    enabled: bool,
    default_enabled: bool,
    check_interval_seconds: u64,
    max_attempts: u32,
    last_check_at: Option<String>,
    /// None where the database does not tell just now.
    incomplete_jobs: Option<usize>,
}

/// Answers 200 as soon as the host serves, and 503 while its database is away; promptly, whatever the database does.
pub(super) async fn show(State(app): State<AppState>) -> Response {
    let now = app.clock.now();
    let presence = app.store.presence().await.map_err(|error| error.to_string());
    let (database, status) = database(presence, now);
    let incomplete_jobs = match status {
        StatusCode::OK => incomplete_jobs(&app).await,
        _ => None,
    };
    let health = Health {
        status: if status == StatusCode::OK { "ok" } else { "unavailable" },
        version: env!("CARGO_PKG_VERSION"),
        host_id: app.status.host_id.clone(),
        incarnation_id: app.status.incarnation.to_string(),
        checks: Checks { database, lease: lease(&app) },
        recovery: RecoveryHealth {
            enabled: app.recovery.is_enabled,
            default_enabled: app.recovery.is_default,
            check_interval_seconds: app.recovery.check_every.as_secs(),
            max_attempts: app.recovery.attempts_max,
            last_check_at: app.status.recovery_checked_at().as_ref().map(Timestamp::to_string),
            incomplete_jobs,
        },
    };
    (status, Json(health)).into_response()
}

fn database(presence: Result<Presence, String>, now: Timestamp) -> (DatabaseCheck, StatusCode) {
    let away = |since: Timestamp, reason| DatabaseCheck {
        status: "unavailable",
        since: Some(since.to_string()),
        reason: Some(reason),
    };
    match presence {
        Ok(Presence::Here { .. }) => (DatabaseCheck { status: "ok", since: None, reason: None }, StatusCode::OK),
        Ok(Presence::Away(absence)) => {
            let is_lasting = now.since(absence.since) >= MOMENT;
            let status = if is_lasting { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
            (away(absence.since, absence.reason), status)
        }
        Err(reason) => (away(now, reason), StatusCode::SERVICE_UNAVAILABLE),
    }
}

/// A lapsed lease is told and decides nothing: the next heartbeat that gets through renews it.
fn lease(app: &AppState) -> LeaseCheck {
    let Some(trust) = app.status.trust() else { return LeaseCheck { status: "lapsed", until: None, since: None } };
    let until = Some(trust.until().to_string());
    if trust.holds(app.clock.reading()) {
        LeaseCheck { status: "held", until, since: None }
    } else {
        LeaseCheck { status: "lapsed", until: None, since: until }
    }
}

/// None where the pool has no connection free, for instance.
async fn incomplete_jobs(app: &AppState) -> Option<usize> {
    tokio::select! {
        biased;
        jobs = app.store.incomplete_jobs() => jobs.ok().map(|jobs| jobs.len()),
        () = app.clock.sleep_for(TELL_WITHIN) => None,
    }
}

#[derive(Serialize)]
struct StartingHealth {
    status: &'static str,
    version: &'static str,
    checks: StartingChecks,
}

#[derive(Serialize)]
struct StartingChecks {
    database: DatabaseCheck,
}

/// What a host serves that waits for its database: that it does, and why it must.
pub fn waiting_router(since: Timestamp, reason: watch::Receiver<String>) -> Router {
    let show = async move || {
        let database = DatabaseCheck {
            status: "unavailable",
            since: Some(since.to_string()),
            reason: Some(reason.borrow().clone()),
        };
        let checks = StartingChecks { database };
        let health = StartingHealth { status: "starting", version: env!("CARGO_PKG_VERSION"), checks };
        (StatusCode::SERVICE_UNAVAILABLE, Json(health))
    };
    Router::new().route("/health", get(show)).fallback(async || ApiError::Starting)
}
