//! Hosts: who lives, what each does and holds, and the wish that one leaves.

use super::AppState;
use super::error::{ApiError, ApiResult};
use super::extract::{InPath, not_found};
use crate::domain::host::{HostState, find_worker};
use crate::domain::labels::Labels;
use crate::domain::timestamp::Timestamp;
use crate::store::{Drained, HostRecord, Result as StoreResult};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use std::time::Duration;

/// How long an incarnation is shown after its end.
const SHOWN_FOR: Duration = Duration::from_hours(1);

#[derive(Serialize)]
pub(super) struct Hosts {
    hosts: Vec<HostView>,
}

#[derive(Serialize)]
pub(super) struct HostView {
    host_id: String,
    incarnation_id: String,
    state: &'static str,
    version: String,
    roles: Vec<String>,
    labels: Labels,
    address: String,
    held_segments: u64,
    running_tasks: u64,
    started_at: String,
    expires_at: String,
    drain_at: Option<String>,
    ended_at: Option<String>,
}

impl HostView {
    fn new(host: HostRecord, now: Timestamp) -> Self {
        let instant = |at: Option<Timestamp>| at.as_ref().map(Timestamp::to_string);
        Self {
            host_id: host.host_id,
            incarnation_id: host.incarnation.to_string(),
            state: host.standing.state(now).name(),
            version: host.profile.version,
            roles: host.profile.roles.to_string().split(',').map(str::to_owned).collect(),
            labels: host.profile.labels,
            address: host.profile.address,
            held_segments: host.held_segments,
            running_tasks: host.running,
            started_at: host.started_at.to_string(),
            expires_at: host.standing.expires_at.to_string(),
            drain_at: instant(host.standing.drain_at),
            ended_at: instant(host.standing.ended_at),
        }
    }
}

/// Each incarnation that lives or ended within the hour, by host, the latest first.
pub(super) async fn list(State(app): State<AppState>) -> ApiResult<Json<Hosts>> {
    let now = app.clock.now();
    let hosts = app.store.hosts(now - SHOWN_FOR).await?;
    Ok(Json(Hosts { hosts: hosts.into_iter().map(|host| HostView::new(host, now)).collect() }))
}

/// Has a host finish its running tasks and leave, as if it had been sent SIGTERM: 202, and the same again.
pub(super) async fn drain(
    State(app): State<AppState>,
    InPath(host_id): InPath<String>,
) -> ApiResult<(StatusCode, Json<HostView>)> {
    let now = app.clock.now();
    match app.store.drain_host(&host_id, now).await? {
        Drained::Noted => {}
        Drained::Unknown => return Err(not_found("host", host_id)),
        Drained::Ended(at) => return Err(ApiError::HostEnded { host_id, at }),
    }
    let hosts = app.store.hosts(now - SHOWN_FOR).await?;
    let present = hosts.into_iter().filter(|host| host.host_id == host_id);
    // It may have left since, and it may have been silent for long.
    let present = present.min_by_key(|host| host.standing.state(now) == HostState::Ended);
    let present = present.ok_or_else(|| not_found("host", host_id))?;
    Ok((StatusCode::ACCEPTED, Json(HostView::new(present, now))))
}

/// Why no living host may run what asks for these labels; none where one may.
pub(super) async fn missing_worker(app: &AppState, requires: &Labels) -> StoreResult<Option<String>> {
    let living = app.store.living_hosts(app.clock.now()).await?;
    Ok(find_worker(requires, &living).err().map(|missing| missing.to_string()))
}
