//! Uploads, and what is uploaded.

use super::AppState;
use super::error::{ApiError, ApiResult};
use super::extract::{InPath, not_found, upload_error};
use crate::domain::asks_for::asks_for;
use crate::domain::digest::Digest;
use crate::store::{PluginVersion, Uploaded, VersionDeletion};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use serde::Serialize;

/// The most characters a plugin's name may have.
const NAME_MAX: usize = 128;

#[derive(Serialize)]
pub(super) struct PluginView {
    name: String,
    digest: String,
    size_bytes: u64,
    imports: Vec<String>,
    asks_for: Vec<&'static str>,
    uploaded_at: String,
}

#[derive(Serialize)]
pub(super) struct Plugins {
    plugins: Vec<PluginView>,
}

#[derive(Serialize)]
pub(super) struct PluginVersions {
    name: String,
    versions: Vec<PluginView>,
}

impl From<PluginVersion> for PluginView {
    fn from(version: PluginVersion) -> Self {
        Self {
            name: version.name,
            digest: version.digest.to_string(),
            size_bytes: version.size_bytes,
            asks_for: asks_for(version.imports.iter().map(String::as_str)),
            imports: version.imports,
            uploaded_at: version.uploaded_at.to_string(),
        }
    }
}

/// Checks, compiles and keeps a component: 201 for a new digest, 200 for the same again.
pub(super) async fn upload(
    State(app): State<AppState>,
    InPath(name): InPath<String>,
    body: Result<Bytes, BytesRejection>,
) -> ApiResult<(StatusCode, Json<PluginView>)> {
    check_name(&name)?;
    let wasm = body.map_err(|rejection| upload_error(&rejection, app.upload_bytes_max))?.to_vec();
    let plugin = app.sandbox.load(wasm.clone()).await?;
    let version = PluginVersion {
        name,
        digest: Digest::of(&wasm),
        size_bytes: wasm.len() as u64,
        imports: plugin.imports().to_vec(),
        uploaded_at: app.clock.now(),
    };
    let status = match app.store.put_plugin(&version, &wasm).await? {
        Uploaded::New => StatusCode::CREATED,
        Uploaded::Again => StatusCode::OK,
    };
    // Intervals may have been restarted on it.
    app.wakeups.executor.nudge_everywhere();
    Ok((status, Json(version.into())))
}

/// The current version of every plugin.
pub(super) async fn list(State(app): State<AppState>) -> ApiResult<Json<Plugins>> {
    let plugins = app.store.plugins().await?;
    Ok(Json(Plugins { plugins: plugins.into_iter().map(PluginView::from).collect() }))
}

/// All versions of a plugin, the current one first.
pub(super) async fn show(State(app): State<AppState>, InPath(name): InPath<String>) -> ApiResult<Json<PluginVersions>> {
    let versions = app.store.plugin_versions(&name).await?;
    if versions.is_empty() {
        return Err(not_found("plugin", name));
    }
    Ok(Json(PluginVersions { name, versions: versions.into_iter().map(PluginView::from).collect() }))
}

/// Removes a version that no open interval needs.
pub(super) async fn remove(
    State(app): State<AppState>,
    InPath((name, text)): InPath<(String, String)>,
) -> ApiResult<StatusCode> {
    let digest: Digest = text.parse().map_err(|_| not_found("plugin version", &text))?;
    match app.store.delete_plugin_version(&name, &digest).await? {
        VersionDeletion::Deleted => {
            app.sandbox.forget(&digest);
            Ok(StatusCode::NO_CONTENT)
        }
        VersionDeletion::Unknown => Err(not_found("plugin version", text)),
        VersionDeletion::Pinned(interval) => Err(ApiError::Pinned { name, digest: text, interval }),
    }
}

fn check_name(name: &str) -> ApiResult<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (1..=NAME_MAX).contains(&name.len()) && name.chars().all(is_plain) {
        return Ok(());
    }
    Err(ApiError::invalid("name", format!("a plugin's name has 1 to {NAME_MAX} letters, digits, `-`, `_` or `.`")))
}
