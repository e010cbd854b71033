//! Reads requests; what cannot be read is answered as a problem.

use super::error::ApiError;
use axum::extract::rejection::{BytesRejection, JsonDataError, JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use std::error::Error;
use std::fmt::Display;
use std::str::FromStr;

/// The largest JSON body.
pub(super) const BODY_BYTES_MAX: usize = 2 << 20;

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        axum::Json::from_request(request, state).await.map(|axum::Json(body)| Self(body)).map_err(body_error)
    }
}

/// Reads a JSON text as if it had been sent: what is wrong is named by its field.
pub(super) fn as_body<T: DeserializeOwned>(text: &str) -> Result<T, ApiError> {
    axum::Json::from_bytes(text.as_bytes()).map(|axum::Json(body)| body).map_err(body_error)
}

/// Why a JSON body is not what was asked for.
pub(super) fn body_error(rejection: JsonRejection) -> ApiError {
    match rejection {
        JsonRejection::MissingJsonContentType(_) => ApiError::MediaType("of another type".to_owned()),
        JsonRejection::JsonDataError(error) => data_error(&error),
        JsonRejection::JsonSyntaxError(error) => {
            ApiError::BadRequest(format!("the body is no JSON: {}", cause(&error)))
        }
        rejection if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => ApiError::BodyTooLarge(BODY_BYTES_MAX),
        rejection => ApiError::BadRequest(rejection.body_text()),
    }
}

/// JSON that is not what the request takes, by the field that is wrong.
fn data_error(error: &JsonDataError) -> ApiError {
    type Located = serde_path_to_error::Error<serde_json::Error>;
    let Some(located) = innermost(error).downcast_ref::<Located>() else {
        return ApiError::invalid("body", error.body_text());
    };
    let reason = located.inner().to_string();
    // Where it stands in the text says less than the path to it, and nothing where the text is a patched one.
    let reason = reason.rsplit_once(" at line ").map_or(reason.as_str(), |(reason, _)| reason);
    let is_whole = located.path().iter().len() == 0;
    let field = if is_whole { "body".to_owned() } else { located.path().to_string() };
    ApiError::invalid(field, reason)
}

/// What a rejection says without the words that axum puts before it.
fn cause(rejection: &(dyn Error + 'static)) -> String {
    innermost(rejection).to_string()
}

/// The error that axum wraps, twice.
fn innermost<'a>(rejection: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let wrapped = rejection.source().and_then(Error::source);
    wrapped.unwrap_or(rejection)
}

/// A JSON body that may be left out.
pub(super) struct OptionalBody<T>(pub(super) T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = axum::body::to_bytes(body, BODY_BYTES_MAX).await;
        let bytes = bytes.map_err(|_| ApiError::BodyTooLarge(BODY_BYTES_MAX))?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        let Body(body) = Body::from_request(Request::from_parts(parts, bytes.into()), state).await?;
        Ok(Self(body))
    }
}

/// Query parameters.
pub(super) struct Parameters<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::from_request_parts(parts, state).await;
        query
            .map(|Query(parameters)| Self(parameters))
            .map_err(|rejection| ApiError::BadRequest(query_error(&rejection)))
    }
}

fn query_error(rejection: &QueryRejection) -> String {
    match rejection {
        QueryRejection::FailedToDeserializeQueryString(error) => format!("in the query, {}", cause(error)),
        rejection => rejection.body_text(),
    }
}

/// What a path names.
pub(super) struct InPath<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for InPath<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(named)| Self(named)).map_err(|rejection| ApiError::BadRequest(rejection.body_text()))
    }
}

/// The id in a path; a text that is no id names nothing.
pub(super) fn id<T: FromStr>(what: &'static str, InPath(text): InPath<String>) -> Result<T, ApiError> {
    text.parse().map_err(|_| ApiError::NotFound { what, id: text })
}

/// What is missing under an id.
pub(super) fn not_found(what: &'static str, id: impl Display) -> ApiError {
    ApiError::NotFound { what, id: id.to_string() }
}

/// An upload that did not arrive.
pub(super) fn upload_error(rejection: &BytesRejection, bytes_max: usize) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return ApiError::TooLarge(bytes_max);
    }
    ApiError::BadRequest(rejection.body_text())
}
