//! The way to a bucket: requests of `object_store`, carried out by the HTTP client that this program has anyway, with
//! the TLS that it has anyway.

use async_trait::async_trait;
use http_body_util::BodyExt as _;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use object_store::{ClientConfigKey, ClientOptions};
use std::io::ErrorKind;
use std::time::Duration;
use ureq::Agent;

/// How long a connection, and a whole request, may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_mins(2);

/// The largest answer that is read: more than any upload.
const ANSWER_BYTES_MAX: u64 = 1 << 30;

/// Makes clients that see to it that nothing goes over a bare connection unless `AWS_ALLOW_HTTP` says so.
#[derive(Debug)]
pub(super) struct Connector;

#[derive(Debug)]
struct Client(Agent);

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let allows_http = options.get_config_value(&ClientConfigKey::AllowHttp).is_some_and(|value| value == "true");
        let config = Agent::config_builder()
            .https_only(!allows_http)
            // What an answer means, the caller knows; elsewhere the signature would be another.
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT_WITHIN))
            .timeout_global(Some(ANSWER_WITHIN));
        Ok(HttpClient::new(Client(config.build().into())))
    }
}

#[async_trait]
impl HttpService for Client {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let agent = self.0.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let answered = if body.is_empty() {
                agent.run(http::Request::from_parts(head, ()))
            } else {
                agent.run(http::Request::from_parts(head, &body[..]))
            };
            let (head, mut body) = answered?.into_parts();
            let bytes = body.with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
            Ok(HttpResponse::from_parts(head, bytes.into()))
        });
        asked.await.map_err(|panic| HttpError::new(HttpErrorKind::Unknown, panic))?.map_err(http_error)
    }
}

/// Says what went wrong in the words by which the caller decides whether to ask again.
fn http_error(error: ureq::Error) -> HttpError {
    let kind = match &error {
        ureq::Error::Timeout(_) => HttpErrorKind::Timeout,
        ureq::Error::ConnectionFailed | ureq::Error::HostNotFound => HttpErrorKind::Connect,
        ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => HttpErrorKind::Connect,
        ureq::Error::Io(_) => HttpErrorKind::Interrupted,
        _ => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, error)
}
