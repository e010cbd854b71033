//! Connections: a name is looked up once, each address is checked, and only a checked one is connected to.

use crate::domain::addresses::AllowedAddresses;
use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use std::fmt::{self, Debug, Formatter};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tower_service::Service;

/// How many names are looked up at a time: each look-up holds a thread, which others need as well.
const LOOKUPS_MAX: usize = 32;

/// How long one address of several is tried.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection, with TLS or without.
pub(super) type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// The host's way to the network. Clones share it.
#[derive(Clone)]
pub struct Network {
    dialer: Dialer,
    tls: Arc<OnceLock<Result<HttpsConnector<Dialer>, String>>>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    /// All that the name stands for lies inside.
    #[error(
        "the host does not let plugins reach {}; start it with --allow-address to allow that",
        .0.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ")
    )]
    Forbidden(Vec<IpAddr>),
    #[error("the name cannot be looked up: {0}")]
    Lookup(io::Error),
    #[error("no connection: {0}")]
    Connect(io::Error),
    #[error("no TLS: {0}")]
    Tls(String),
}

/// Opens TCP connections.
#[derive(Clone)]
struct Dialer {
    allowed: Arc<AllowedAddresses>,
    lookups: Arc<Semaphore>,
    names: Arc<Names>,
}

/// What a name and a port stand for. It blocks.
type Names = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

impl Default for Network {
    fn default() -> Self {
        Self::new(AllowedAddresses::default())
    }
}

impl Debug for Network {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.debug_struct("Network").finish_non_exhaustive()
    }
}

impl Network {
    /// One that reaches these addresses beside the public ones.
    pub fn new(allowed: AllowedAddresses) -> Self {
        Self::with_names(allowed, |host, port| (host, port).to_socket_addrs().map(Iterator::collect))
    }

    fn with_names(
        allowed: AllowedAddresses,
        names: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Self {
        let lookups = Arc::new(Semaphore::new(LOOKUPS_MAX));
        let dialer = Dialer { allowed: Arc::new(allowed), lookups, names: Arc::new(names) };
        Self { dialer, tls: Arc::default() }
    }

    /// Connects to the server of a URL. A connection serves one request: so none is shared between jobs, and none is
    /// older than the look at its address.
    pub(super) async fn connect(&self, server: Uri) -> Result<Stream, ConnectError> {
        if server.scheme_str() == Some("http") {
            return Ok(MaybeHttpsStream::Http(self.dialer.dial(server).await?));
        }
        let tls = self.tls.get_or_init(|| tls_over(self.dialer.clone()));
        let mut connector = tls.clone().map_err(ConnectError::Tls)?;
        connector.call(server).await.map_err(|error| match error.downcast::<ConnectError>() {
            Ok(error) => *error,
            Err(error) => ConnectError::Tls(error.to_string()),
        })
    }
}

/// Certificates are trusted that the machine trusts.
fn tls_over(dialer: Dialer) -> Result<HttpsConnector<Dialer>, String> {
    let builder = HttpsConnectorBuilder::new().with_native_roots().map_err(|error| error.to_string())?;
    Ok(builder.https_only().enable_http1().wrap_connector(dialer))
}

impl Dialer {
    async fn dial(&self, server: Uri) -> Result<TokioIo<TcpStream>, ConnectError> {
        let host = server.host().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let usual = if server.scheme_str() == Some("http") { 80 } else { 443 };
        let found = self.look_up(host, server.port_u16().unwrap_or(usual)).await.map_err(ConnectError::Lookup)?;
        let (allowed, forbidden): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|found| self.allowed.permit(found.ip()));
        if allowed.is_empty() && !forbidden.is_empty() {
            return Err(ConnectError::Forbidden(forbidden.iter().map(SocketAddr::ip).collect()));
        }
        connect_to_one_of(&allowed).await.map(TokioIo::new).map_err(ConnectError::Connect)
    }

    /// All that a name stands for, and an address itself, however it is written: the system's look-up takes `0x7f.1` for
    /// one, too.
    async fn look_up(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let one_of_few = Arc::clone(&self.lookups).acquire_owned().await.map_err(io::Error::other)?;
        let (names, host) = (Arc::clone(&self.names), host.to_owned());
        // Nothing stops a look-up that has begun: it counts until its thread is free again, whoever still waits for it.
        let looked_up = tokio::task::spawn_blocking(move || {
            let found = names(&host, port);
            drop(one_of_few);
            found
        });
        looked_up.await.map_err(io::Error::other)?
    }
}

async fn connect_to_one_of(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match tokio::time::timeout(ADDRESS_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, format!("{address} does not answer")),
        }
    }
    Err(last)
}

impl Service<Uri> for Dialer {
    type Response = TokioIo<TcpStream>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        let dialer = self.clone();
        Box::pin(async move { dialer.dial(server).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const OUTSIDE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));
    const INSIDE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// Two servers on one port, on either side; and a network that takes one of them for a public one.
    fn servers() -> (TcpListener, TcpListener, AllowedAddresses, u16) {
        let both = || {
            let outside = TcpListener::bind((OUTSIDE, 0)).unwrap();
            let port = outside.local_addr().unwrap().port();
            // Somebody else may have it on this side.
            TcpListener::bind((INSIDE, port)).ok().map(|inside| (outside, inside, port))
        };
        let (outside, inside, port) = std::iter::repeat_with(both).flatten().next().expect("it has no end");
        inside.set_nonblocking(true).unwrap();
        (outside, inside, AllowedAddresses::new(vec!["127.0.0.2/32".parse().unwrap()]), port)
    }

    async fn peer(network: &Network, port: u16) -> SocketAddr {
        let uri = format!("http://both.test:{port}/").parse().unwrap();
        let MaybeHttpsStream::Http(stream) = network.connect(uri).await.unwrap() else { panic!("it is plain") };
        stream.inner().peer_addr().unwrap()
    }

    #[tokio::test]
    async fn of_the_addresses_of_a_name_those_inside_are_not_tried() {
        let (_outside, inside, allowed, port) = servers();
        let network = Network::with_names(allowed, |_, port| {
            Ok([INSIDE, OUTSIDE].map(|address| SocketAddr::new(address, port)).to_vec())
        });
        assert_eq!(peer(&network, port).await.ip(), OUTSIDE);
        assert_eq!(inside.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[tokio::test]
    async fn a_name_is_looked_up_once_so_that_a_later_answer_leads_nowhere() {
        let (_outside, inside, allowed, port) = servers();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let network = Network::with_names(allowed, move |_, port| {
            let answer = if count.fetch_add(1, Ordering::Relaxed) == 0 { OUTSIDE } else { INSIDE };
            Ok(vec![SocketAddr::new(answer, port)])
        });
        assert_eq!(peer(&network, port).await.ip(), OUTSIDE);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        let uri = || format!("http://both.test:{port}/").parse().unwrap();
        let refused = network.connect(uri()).await.expect_err("all that it stands for now lies inside");
        assert!(matches!(refused, ConnectError::Forbidden(inside) if inside == [INSIDE]));
        assert_eq!(inside.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
