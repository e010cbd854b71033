//! The one place where an error becomes a status code: RFC 9457 problem details with a stable `code`.

use crate::domain::backfill::RangeError;
use crate::domain::host::Roles;
use crate::domain::ids::{BackfillId, IntervalId, JobId};
use crate::domain::interval::IntervalState;
use crate::domain::reopening::NotRetried;
use crate::domain::secret::SecretId;
use crate::domain::timestamp::Timestamp;
use crate::sandbox::Refusal;
use crate::store::StoreError;
use crate::vault::SealError;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tracing::error;

/// When a client may ask again while the database is away: what asks for it looks once a second.
const RETRY_AFTER_SECONDS: &str = "1";

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    #[error("the host waits for its database; see /health")]
    Starting,
    #[error("there is nothing at this path")]
    NoSuchPath,
    #[error(
        "this host serves no API: its roles are {0}, and `api` is not among them; ask a host that has it, or start this \
         one with it in --roles (LATCHWORK_ROLES)"
    )]
    NoApi(Roles),
    #[error("host `{host_id}` ended at {at} and has not started again: there is nothing to drain")]
    HostEnded { host_id: String, at: Timestamp },
    #[error("this path does not take this method")]
    MethodNotAllowed,
    #[error("no {what} has the id `{id}`")]
    NotFound { what: &'static str, id: String },
    #[error("{0}")]
    BadRequest(String),
    #[error("the upload is larger than {0} bytes (LATCHWORK_UPLOAD_BYTES_MAX)")]
    TooLarge(usize),
    #[error("the body is larger than {0} bytes")]
    BodyTooLarge(usize),
    #[error("the body is {0}; send JSON with the header `content-type: application/json`")]
    MediaType(String),
    #[error("`{field}`: {reason}")]
    Invalid { field: String, reason: String },
    #[error("no plugin named `{0}` is uploaded: PUT its bytes to /plugins/{0} first")]
    UnknownPlugin(String),
    #[error("{0}")]
    Refused(#[from] Refusal),
    #[error("version {digest} of `{name}` is in use: the open interval {interval} is pinned to it")]
    Pinned { name: String, digest: String, interval: IntervalId },
    #[error("job {job} is waited for: {} fires at the end of its intervals; change or delete that first", names(jobs))]
    Awaited { job: JobId, jobs: Vec<(JobId, String)> },
    #[error("the secret {secret} is granted to {}: take it out of their `grants` first", names(jobs))]
    Granted { secret: SecretId, jobs: Vec<(JobId, String)> },
    #[error("{0}")]
    NotSealed(#[from] SealError),
    #[error("interval {interval} has {state} already; only an open interval can be cancelled")]
    Ended { interval: IntervalId, state: IntervalState },
    #[error("interval {interval} cannot be retried: {why}")]
    NotRetried { interval: IntervalId, why: NotRetried },
    #[error("job {0} was changed by somebody else at the same time; look at it, then ask again")]
    Outdated(JobId),
    #[error("{0}")]
    Range(#[from] RangeError),
    #[error("backfill {0} has ended already")]
    BackfillEnded(BackfillId),
    #[error("{0} streams of events are open, and a host serves no more: close one, or ask for application/json")]
    TooManyStreams(usize),
    #[error(
        "the database cannot be used just now, see /health; whether a change was made can be asked when it is back"
    )]
    Store(StoreError),
    #[error("{0}")]
    Objects(StoreError),
    #[error("{0}: the row is damaged")]
    Damaged(StoreError),
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unreadable { .. } => Self::Damaged(error),
            StoreError::Objects(_) => Self::Objects(error),
            _ => Self::Store(error),
        }
    }
}

pub(super) type ApiResult<T> = Result<T, ApiError>;

#[derive(Serialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    code: &'static str,
}

impl ApiError {
    pub(super) fn invalid(field: impl Into<String>, reason: impl ToString) -> Self {
        Self::Invalid { field: field.into(), reason: reason.to_string() }
    }

    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
            Self::NoSuchPath => (StatusCode::NOT_FOUND, "no_such_path"),
            Self::NoApi(_) => (StatusCode::NOT_FOUND, "no_api_role"),
            Self::HostEnded { .. } => (StatusCode::CONFLICT, "host_ended"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::NotFound { .. } => (StatusCode::NOT_FOUND, "not_found"),
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, "bad_request"),
            Self::TooLarge(_) | Self::BodyTooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Self::MediaType(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            Self::Invalid { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_field"),
            Self::UnknownPlugin(_) => (StatusCode::UNPROCESSABLE_ENTITY, "unknown_plugin"),
            Self::Refused(refusal) => (refusal_status(refusal), refusal_code(refusal)),
            Self::Pinned { .. } => (StatusCode::CONFLICT, "version_in_use"),
            Self::Awaited { .. } => (StatusCode::CONFLICT, "job_awaited"),
            Self::Granted { .. } => (StatusCode::CONFLICT, "secret_granted"),
            Self::NotSealed(SealError::NoKey(_)) => (StatusCode::SERVICE_UNAVAILABLE, "no_secrets_key"),
            Self::NotSealed(SealError::Random(_)) => (StatusCode::SERVICE_UNAVAILABLE, "no_random_bytes"),
            Self::Ended { .. } => (StatusCode::CONFLICT, "interval_ended"),
            Self::NotRetried { why, .. } => (StatusCode::CONFLICT, retry_code(why)),
            Self::Outdated(_) => (StatusCode::CONFLICT, "job_changed"),
            Self::Range(RangeError::TooMany { .. }) => (StatusCode::UNPROCESSABLE_ENTITY, "range_too_large"),
            Self::Range(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_range"),
            Self::BackfillEnded(_) => (StatusCode::CONFLICT, "backfill_ended"),
            Self::TooManyStreams(_) => (StatusCode::SERVICE_UNAVAILABLE, "too_many_streams"),
            Self::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "database_unavailable"),
            Self::Objects(_) => (StatusCode::SERVICE_UNAVAILABLE, "plugin_store_unavailable"),
            Self::Damaged(_) => (StatusCode::INTERNAL_SERVER_ERROR, "damaged_row"),
        }
    }
}

fn names(jobs: &[(JobId, String)]) -> String {
    jobs.iter().map(|(id, name)| format!("{name} ({id})")).collect::<Vec<_>>().join(", ")
}

fn retry_code(why: &NotRetried) -> &'static str {
    match why {
        NotRetried::Open(_) => "interval_open",
        NotRetried::NothingFailed => "nothing_failed",
        NotRetried::Replaced(_) => "interval_replaced",
        NotRetried::NoProgress(_) | NotRetried::NoVersion | NotRetried::JobDeleted => "not_retryable",
    }
}

fn refusal_status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::CompilerUnavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

fn refusal_code(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NotWasm => "not_wasm",
        Refusal::CoreModule => "core_module",
        Refusal::UnknownVersion | Refusal::Invalid(_) => "invalid_component",
        Refusal::Import(_) => "unknown_import",
        Refusal::Export(_) => "wrong_world",
        Refusal::TooMuchMemory(_) | Refusal::TooMuchCpu(_) | Refusal::TooSlow(_) | Refusal::TooMuchCode(_) => {
            "compile_limit_exceeded"
        }
        Refusal::CompilerDied(_) => "not_compilable",
        Refusal::CompilerUnavailable(_) => "compiler_unavailable",
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match &self {
            // Of which the log tells once.
            Self::Store(StoreError::Away(_)) => {}
            Self::Store(cause) | Self::Objects(cause) | Self::Damaged(cause) => {
                error!(error = cause as &dyn std::error::Error, "A request failed in the store");
            }
            _ => {}
        }
        let is_away = matches!(self, Self::Store(_) | Self::Starting);
        let (status, code) = self.status_and_code();
        let title = status.canonical_reason().unwrap_or("Error");
        let problem = Problem { kind: "about:blank", title, status: status.as_u16(), detail: self.to_string(), code };
        let mut response = (status, axum::Json(problem)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if is_away {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
        }
        response
    }
}
