//! The HTTP API: extract, call, answer.
//!
//! Knows the store's rows, the domain's words and, for uploads, the sandbox's check. Never the engine: what a request
//! changes is a row, and a nudge makes the engine look sooner.

mod backfills;
mod edit;
mod error;
mod events;
mod extract;
mod grants_view;
mod health;
mod hosts;
mod interval_view;
mod intervals;
mod job_request;
mod job_view;
mod jobs;
mod merge_patch;
mod operations;
mod plugins;
mod rules_view;
mod schedule_preview;
mod secrets;
mod tasks;

use crate::clock::Clock;
use crate::domain::ceilings::Ceilings;
use crate::domain::host::{Role, Roles};
use crate::recovery_settings::RecoverySettings;
use crate::sandbox::{Allowed, Sandbox};
use crate::status::HostStatus;
use crate::store::Store;
use crate::vault::Vault;
use crate::wakeup::Wakeups;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{delete, get, post, put};
use error::ApiError;
pub use events::STREAMS_MAX;
use extract::BODY_BYTES_MAX;
pub use health::waiting_router;
use job_request::HostRules;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// What handlers work with.
#[derive(Clone)]
pub struct AppState {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// What checks uploads.
    pub sandbox: Arc<Sandbox>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who this is.
    pub status: Arc<HostStatus>,
    /// What it takes on.
    pub roles: Roles,
    /// How the engine's loops are woken.
    pub wakeups: Wakeups,
    /// What jobs may be granted.
    pub allowed: Allowed,
    /// What seals secrets.
    pub vault: Arc<Vault>,
    /// How far jobs may go.
    pub ceilings: Ceilings,
    /// How interrupted intervals are treated.
    pub recovery: RecoverySettings,
    /// The largest upload.
    pub upload_bytes_max: usize,
    /// How many further streams of events may be open.
    pub streams: Arc<Semaphore>,
    /// Cancelled when the host stops: streams end then.
    pub stop: CancellationToken,
}

impl AppState {
    fn host_rules(&self) -> HostRules {
        HostRules { enable_recovery: self.recovery.is_default, ceilings: self.ceilings }
    }
}

/// All routes of a host with the role `api`; without it, it tells of its health and sends everybody else away.
pub fn router(state: AppState) -> Router {
    if !state.roles.has(Role::Api) {
        let roles = state.roles.clone();
        let elsewhere = async move || ApiError::NoApi(roles);
        return Router::new().route("/health", get(health::show)).fallback(elsewhere).with_state(state);
    }
    let upload = put(plugins::upload).layer(DefaultBodyLimit::max(state.upload_bytes_max));
    Router::new()
        .route("/health", get(health::show))
        .route("/hosts", get(hosts::list))
        .route("/hosts/{host}/drain", post(hosts::drain))
        .route("/plugins", get(plugins::list))
        .route("/plugins/{name}", upload.get(plugins::show))
        .route("/plugins/{name}/{digest}", delete(plugins::remove))
        .route("/jobs", get(jobs::list).post(jobs::create))
        .route("/jobs/{job}", get(jobs::show).patch(edit::edit).delete(jobs::remove))
        .route("/workspaces/{workspace}/secrets", get(secrets::list))
        .route("/workspaces/{workspace}/secrets/{name}", put(secrets::put).delete(secrets::remove))
        .route("/schedule/preview", get(schedule_preview::show))
        .route("/jobs/{job}/trigger", post(operations::trigger))
        .route("/jobs/{job}/pause", post(operations::pause))
        .route("/jobs/{job}/resume", post(operations::resume))
        .route("/jobs/{job}/backfill", post(backfills::create))
        .route("/jobs/{job}/backfills", get(backfills::list))
        .route("/backfills/{backfill}", get(backfills::show))
        .route("/backfills/{backfill}/cancel", post(backfills::cancel))
        .route("/jobs/{job}/intervals", get(intervals::list))
        .route("/intervals/{interval}", get(intervals::show))
        .route("/intervals/{interval}/cancel", post(operations::cancel))
        .route("/intervals/{interval}/retry", post(operations::retry))
        .route("/intervals/{interval}/events", get(events::show))
        .route("/intervals/{interval}/logs", get(intervals::logs))
        .route("/intervals/{interval}/tasks", get(tasks::list))
        .route("/intervals/{interval}/tasks/{index}", get(tasks::show))
        .fallback(async || ApiError::NoSuchPath)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(state)
}
