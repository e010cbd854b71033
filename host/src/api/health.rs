//! Whether the host serves, and the state of recovery.

use super::AppState;
use super::error::ApiResult;
use crate::domain::timestamp::Timestamp;
use axum::Json;
use axum::extract::State;
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Health {
    status: &'static str,
    version: &'static str,
    host_id: String,
    incarnation_id: String,
    recovery: RecoveryHealth,
}

#[derive(Serialize)]
struct RecoveryHealth {
    enabled: bool,
    default_enabled: bool,
    check_interval_seconds: u64,
    max_attempts: u32,
    last_check_at: Option<String>,
    incomplete_jobs: usize,
}

/// Answers 200 as soon as the host serves.
pub(super) async fn show(State(app): State<AppState>) -> ApiResult<Json<Health>> {
    let incomplete = app.store.incomplete_jobs().await?;
    Ok(Json(Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
        host_id: app.status.host_id.clone(),
        incarnation_id: app.status.incarnation.to_string(),
        recovery: RecoveryHealth {
            enabled: app.recovery.is_enabled,
            default_enabled: app.recovery.is_default,
            check_interval_seconds: app.recovery.check_every.as_secs(),
            max_attempts: app.recovery.attempts_max,
            last_check_at: app.status.recovery_checked_at().as_ref().map(Timestamp::to_string),
            incomplete_jobs: incomplete.len(),
        },
    }))
}
