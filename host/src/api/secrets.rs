//! Secrets of workspaces. A value comes in and never goes out again.

use super::AppState;
use super::error::{ApiError, ApiResult};
use super::extract::{InPath, body_error, not_found};
use super::job_request::{check_length, check_variable};
use crate::domain::grants::SecretGrant;
use crate::domain::secret::{SecretId, VALUE_BYTES_MAX};
use crate::store::{SecretDeletion, SecretPut, SecretRecord};
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PutSecret {
    #[serde(deserialize_with = "wiped")]
    value: Zeroizing<String>,
}

#[derive(Serialize)]
pub(super) struct SecretView {
    name: String,
    created_at: String,
    updated_at: String,
}

#[derive(Serialize)]
pub(super) struct Secrets {
    secrets: Vec<SecretView>,
}

impl From<SecretRecord> for SecretView {
    fn from(SecretRecord { name, created_at, updated_at }: SecretRecord) -> Self {
        Self { name, created_at: created_at.to_string(), updated_at: updated_at.to_string() }
    }
}

/// Keeps a secret: 201 for a new name, 200 for another value.
pub(super) async fn put(
    State(app): State<AppState>,
    InPath((workspace, name)): InPath<(String, String)>,
    body: Result<Json<PutSecret>, JsonRejection>,
) -> ApiResult<(StatusCode, Json<SecretView>)> {
    check_workspace(&workspace)?;
    check_variable("name", &name)?;
    let (secret, value) = (SecretId { workspace, name }, value(body)?);
    let sealing = app.vault.seal(&secret, &value)?;
    Ok(match app.store.put_secret(&secret, &sealing, app.clock.now()).await? {
        SecretPut::New(record) => (StatusCode::CREATED, Json(record.into())),
        SecretPut::Replaced(record) => (StatusCode::OK, Json(record.into())),
    })
}

/// The names of a workspace's secrets, and when they were given.
pub(super) async fn list(State(app): State<AppState>, InPath(workspace): InPath<String>) -> ApiResult<Json<Secrets>> {
    let secrets = app.store.secrets(&workspace).await?;
    Ok(Json(Secrets { secrets: secrets.into_iter().map(SecretView::from).collect() }))
}

/// Removes a secret. 409 while a job is granted it.
pub(super) async fn remove(
    State(app): State<AppState>,
    InPath((workspace, name)): InPath<(String, String)>,
) -> ApiResult<StatusCode> {
    let secret = SecretId { workspace, name };
    match app.store.delete_secret(&secret).await? {
        SecretDeletion::Deleted => Ok(StatusCode::NO_CONTENT),
        SecretDeletion::Unknown => Err(not_found("secret", secret.name)),
        SecretDeletion::Granted(jobs) => Err(ApiError::Granted { secret, jobs }),
    }
}

/// Checks that the secrets are there that a job is granted.
pub(super) async fn check_granted(app: &AppState, workspace: &str, grants: &[SecretGrant]) -> ApiResult<()> {
    if grants.is_empty() {
        return Ok(());
    }
    let known = app.store.secrets(workspace).await?;
    match grants.iter().find(|grant| known.iter().all(|secret| secret.name != grant.name)) {
        None => Ok(()),
        Some(SecretGrant { name, .. }) => {
            let secret = SecretId { workspace: workspace.to_owned(), name: name.clone() };
            Err(ApiError::invalid("grants.secrets", secret.missing()))
        }
    }
}

fn check_workspace(workspace: &str) -> ApiResult<()> {
    check_length("workspace", workspace)?;
    if workspace.contains('\0') { Err(ApiError::invalid("workspace", "takes no NUL")) } else { Ok(()) }
}

fn value(body: Result<Json<PutSecret>, JsonRejection>) -> ApiResult<Zeroizing<String>> {
    let value = match body {
        Ok(Json(PutSecret { value })) => value,
        // What was sent is not said again: it may be the secret.
        Err(JsonRejection::JsonDataError(_) | JsonRejection::JsonSyntaxError(_)) => {
            return Err(ApiError::BadRequest(r#"the body takes {"value": "…"}, a text, and nothing else"#.to_owned()));
        }
        Err(rejection) => return Err(body_error(rejection)),
    };
    if value.is_empty() || value.len() > VALUE_BYTES_MAX || value.contains('\0') {
        return Err(ApiError::invalid("value", format!("takes 1 to {VALUE_BYTES_MAX} bytes, and no NUL")));
    }
    Ok(value)
}

fn wiped<'de, D: Deserializer<'de>>(input: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(input).map(Zeroizing::new)
}
