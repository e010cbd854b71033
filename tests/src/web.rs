//! A server that a test makes for plugins to send requests to, on an address of this machine.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use tokio::runtime::Runtime;

/// One request, as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// The path and the query.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// How long the body was.
    pub body_bytes: usize,
}

/// It serves until it is dropped, and answers by the path: `/ok`, `/echo` with the header `authorization`, `/bytes/N`,
/// `/stream/N` without saying how many beforehand, `/never`, `/to/URL` with a redirect.
pub struct Web {
    port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    _runtime: Runtime,
}

impl Web {
    /// Starts one on a free port.
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&seen));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { port, seen, _runtime: runtime }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A URL of it, by a name or an address of this machine.
    pub fn url(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.port)
    }

    /// All requests that have come since it was asked last.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().expect("no test panics in here"))
    }
}

impl Seen {
    /// A header's text; empty where it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a text"))
    }
}

async fn answer(
    State(seen): State<Arc<Mutex<Vec<Seen>>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path_and_query().map_or_else(String::new, ToString::to_string);
    let authorization = headers.get(header::AUTHORIZATION).cloned();
    let request = Seen { method: method.to_string(), path: path.clone(), headers, body_bytes: body.len() };
    seen.lock().expect("no test panics in here").push(request);
    let count = |text: &str| text.parse().expect("a number of bytes");
    match path.trim_start_matches('/').split_once('/') {
        Some(("bytes", bytes)) => "x".repeat(count(bytes)).into_response(),
        Some(("stream", bytes)) => {
            let chunks = (0..count(bytes)).step_by(100).map(|_| Ok::<_, Infallible>("x".repeat(100)));
            Body::from_stream(stream::iter(chunks)).into_response()
        }
        Some(("to", url)) => (StatusCode::FOUND, [(header::LOCATION, url.to_owned())]).into_response(),
        _ if path == "/never" => std::future::pending().await,
        _ if path == "/echo" => {
            authorization.map_or_else(Bytes::new, |value| value.as_bytes().to_vec().into()).into_response()
        }
        _ => "ok".into_response(),
    }
}
