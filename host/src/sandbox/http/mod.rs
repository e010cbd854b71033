//! Outgoing HTTP: every request of a guest passes `Outgoing::send_request`, which decides, and nothing else opens a
//! connection.

mod body;
mod decision;
mod exchange;
mod headers;
mod limit;
mod network;
mod stand_in;

use self::exchange::{Errand, exchange};
use self::limit::LimitMet;
pub use self::network::Network;
pub(super) use self::stand_in::StandIn;
use super::context::IdempotencyKey;
use super::log::TaskLog;
use super::scope::Scope;
use crate::domain::task::LogLevel;
use std::sync::Arc;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// A request, ready to be sent or as it came.
type Request = http::Request<WasiBody>;

/// A response, and what keeps its connection going.
type Answer = (http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

/// What one call sends, and how far that goes.
pub(super) struct Outgoing {
    scope: Arc<Scope>,
    log: TaskLog,
    key: IdempotencyKey,
    limit: LimitMet,
}

impl Outgoing {
    pub(super) fn new(scope: Arc<Scope>, log: TaskLog, key: IdempotencyKey) -> Self {
        Self { scope, log, key, limit: LimitMet::default() }
    }

    /// Makes ready for another call of the same interval.
    pub(super) fn begin_call(&mut self, key: IdempotencyKey) {
        self.key = key;
        self.limit.begin_call();
    }

    /// Whether the call has left a request or a body of one on its way. One that a moment ago was given up may count, too.
    pub(super) fn is_under_way(&self) -> bool {
        self.limit.is_awaited()
    }

    /// The limit that a body of this call has met.
    pub(super) fn limit_met(&self) -> Option<String> {
        self.limit.message()
    }
}

impl WasiHttpHooks for Outgoing {
    fn send_request(
        &mut self,
        request: Request,
        options: Option<RequestOptions>,
        _sent: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Answer, Error>> + Send> {
        match decision::decide(request, &self.scope, self.key) {
            Ok(request) => Box::new(exchange(Errand {
                // Before anything is done about it: what becomes of it is told, also where the call ends at once.
                line: self.log.begin(decision::name(&request)),
                request,
                options: options.unwrap_or_default(),
                network: self.scope.reach.network.clone(),
                log: self.log.clone(),
                body_bytes_max: self.scope.limits.call.http_body_bytes_max,
                limit: self.limit.clone(),
            })),
            Err(refusal) => {
                self.log.note(LogLevel::Warn, refusal.to_string());
                Box::new(async { Err(Error::HttpRequestDenied) })
            }
        }
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        // Each body may wait with two of them for its server: a call must not fill the host's memory with that.
        64 << 10
    }

    // These tell a guest's failures to the host's log where they are not overridden; the task's log has them.

    fn p2_error_from_hyper(&mut self, _: &hyper::Error) -> ErrorCode {
        ErrorCode::HttpProtocolError
    }

    fn p2_error_from_connect(&mut self, _: &std::io::Error) -> ErrorCode {
        ErrorCode::ConnectionRefused
    }

    fn p2_error_from_tls(&mut self, _: &std::io::Error) -> ErrorCode {
        ErrorCode::TlsProtocolError
    }
}
