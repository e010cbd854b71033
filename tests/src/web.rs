//! A server that a test makes for plugins to send requests to, on an address of this machine, and who vouches for it.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::serve::Listener;
use futures::stream;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::NamedTempFile;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

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
    scheme: &'static str,
    port: u16,
    connections: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<Seen>>>,
    _runtime: Runtime,
}

/// One who vouches for servers, to hosts that know its certificate.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: NamedTempFile,
}

/// Where connections come in, with TLS or without.
struct Door {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    connections: Arc<AtomicUsize>,
}

impl Web {
    /// Starts one on a free port.
    pub fn start() -> Self {
        Self::open(None)
    }

    /// The same over TLS, under the name that an authority vouches for.
    pub fn start_tls(authority: &Authority, name: &str) -> Self {
        Self::open(Some(authority.vouch_for(name)))
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A URL of it, by a name or an address of this machine.
    pub fn url(&self, host: &str, path: &str) -> String {
        format!("{}://{host}:{}{path}", self.scheme, self.port)
    }

    /// How many connections have come, whatever became of them.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// All requests that have come since it was asked last.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().expect("no test panics in here"))
    }

    fn open(tls: Option<TlsAcceptor>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let connections = Arc::<AtomicUsize>::default();
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&seen));
        let door = Door { listener, tls, connections: Arc::clone(&connections) };
        runtime.spawn(async move { axum::serve(door, router).await });
        Self { scheme, port, connections, seen, _runtime: runtime }
    }
}

impl Authority {
    /// One of this name, with a certificate that no machine knows yet.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let file = NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), issuer.pem()).expect("the certificate is written");
        Self { issuer, file }
    }

    /// The file with its certificate, which goes with it. A host reads it when it first speaks TLS.
    pub fn file(&self) -> &str {
        self.file.path().to_str().expect("a plain path")
    }

    /// What a server of this name needs.
    fn vouch_for(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![certificate.into()], key.into()).expect("the certificate's key");
        TlsAcceptor::from(Arc::new(config))
    }
}

impl Listener for Door {
    type Io = Either<TcpStream, TlsStream<TcpStream>>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let (stream, client) = Listener::accept(&mut self.listener).await;
            self.connections.fetch_add(1, Ordering::Relaxed);
            let Some(tls) = &self.tls else { return (Either::Left(stream), client) };
            // A client that does not trust the certificate goes, and the next one comes.
            if let Ok(stream) = tls.accept(stream).await {
                return (Either::Right(stream), client);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
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
