//! One request and its response.

use super::body::{Bound, BoundedBody, Direction};
use super::limit::LimitMet;
use super::network::{ConnectError, Network, Stream};
use super::{Answer, Request, decision};
use crate::domain::task::LogLevel;
use crate::sandbox::log::{OpenLine, TaskLog};
use http::header::CONTENT_LENGTH;
use http::{Response, Uri};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::timeout;
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn};
use wasmtime_wasi_http::{Error, RequestOptions};

/// What the guest has not bounded, the call's own timeout does.
const UNBOUNDED: Duration = Duration::from_hours(24);

/// What a connection holds of a body in each direction, and the longest head of a response.
const BUFFER_BYTES_MAX: usize = 64 << 10;

/// A request that may leave, and with whom it is agreed how far it goes.
pub(super) struct Errand {
    pub(super) request: Request,
    pub(super) options: RequestOptions,
    pub(super) network: Network,
    pub(super) log: TaskLog,
    /// What the log says of it.
    pub(super) line: OpenLine,
    pub(super) body_bytes_max: u64,
    pub(super) limit: LimitMet,
}

/// What went wrong, in the words of the task's log, and what the guest is told.
struct Failure(String, Error);

/// Sends a request and answers with the head of the response; what became of it is logged, also where the guest does not
/// wait for it. Redirects are the guest's to
/// follow, so that each is decided on by itself.
pub(super) async fn exchange(errand: Errand) -> Result<Answer, Error> {
    let Errand { request, options, network, log, line, body_bytes_max, limit } = errand;
    let name = decision::name(&request);
    let bound = |direction| Bound {
        bytes_max: body_bytes_max,
        direction,
        name: name.clone(),
        limit: limit.clone(),
        is_met: Arc::default(),
        log: log.clone(),
    };
    let (outward, inward) = (bound(Direction::Request), bound(Direction::Response));
    let is_outgrown = Arc::clone(&outward.is_met);
    let declared = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if let Err(refusal) = outward.check(declared.unwrap_or(0)) {
        line.end(LogLevel::Warn, |_| "not sent".to_owned());
        return Err(refusal);
    }
    let request = request.map(|body| BoundedBody::new(body, outward, None));
    match send(request, &options, &network).await {
        Ok((response, connection)) => {
            let status = response.status().as_u16();
            line.end(LogLevel::Info, |ms| format!("{status} in {ms} ms"));
            inward.check(response.body().size_hint().lower())?;
            let silence_max = options.between_bytes_timeout;
            let response = response.map(|body| {
                let body = body.map_err(|error| told(&error)).boxed_unsync();
                BoundedBody::new(body, inward, silence_max).boxed_unsync()
            });
            // Lives as long as the guest keeps the response, and ends the connection with it.
            let connection = Box::new(async move {
                connection.await;
                Ok(())
            });
            Ok((response, connection))
        }
        // The limit has been logged, and the guest is told of it and not of what followed.
        Err(_) if is_outgrown.load(Ordering::Relaxed) => {
            line.end(LogLevel::Warn, |ms| format!("broken off after {ms} ms"));
            Err(Error::HttpRequestBodySize(Some(body_bytes_max)))
        }
        Err(Failure(reason, error)) => {
            line.end(LogLevel::Warn, |ms| format!("{reason}, after {ms} ms"));
            Err(error)
        }
    }
}

async fn send(
    mut request: http::Request<BoundedBody>,
    options: &RequestOptions,
    network: &Network,
) -> Result<(Response<Incoming>, AbortOnDropJoinHandle<()>), Failure> {
    let connecting = timeout(options.connect_timeout.unwrap_or(UNBOUNDED), network.connect(request.uri().clone()));
    let stream = connecting.await.map_err(|_| Failure("no connection in time".into(), Error::ConnectionTimeout))??;
    // A server is told the path alone; the rest of the URL would be for a proxy.
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() =
        path.parse::<Uri>().map_err(|error| Failure(error.to_string(), Error::HttpRequestUriInvalid))?;
    let handshake = http1::Builder::new().max_buf_size(BUFFER_BYTES_MAX).handshake::<Stream, BoundedBody>(stream);
    let (mut sender, connection) = handshake.await?;
    // What goes wrong with the connection, the request or the body tells.
    let connection = spawn(async move { drop(connection.await) });
    let answering = timeout(options.first_byte_timeout.unwrap_or(UNBOUNDED), sender.send_request(request));
    let response =
        answering.await.map_err(|_| Failure("no response in time".into(), Error::ConnectionReadTimeout))??;
    Ok((response, connection))
}

/// What the guest is told of a fault of the protocol.
fn told(error: &hyper::Error) -> Error {
    if error.is_incomplete_message() {
        Error::HttpResponseIncomplete
    } else if error.is_canceled() || error.is_closed() {
        Error::ConnectionTerminated
    } else {
        Error::HttpProtocolError
    }
}

impl From<hyper::Error> for Failure {
    fn from(error: hyper::Error) -> Self {
        let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
        Self(format!("{error}{source}"), told(&error))
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let told = match &error {
            ConnectError::Forbidden(_) => Error::HttpRequestDenied,
            ConnectError::Lookup(_) => Error::DnsError { rcode: None, info_code: None },
            ConnectError::Connect(_) => Error::ConnectionRefused,
            ConnectError::Tls(_) => Error::TlsProtocolError,
        };
        Self(error.to_string(), told)
    }
}
