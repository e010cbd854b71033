//! Bodies under the job's limit.

use super::limit::LimitMet;
use crate::domain::task::LogLevel;
use crate::sandbox::log::TaskLog;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior};
use wasmtime_wasi_http::{Error, WasiBody};

/// Which body it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Request,
    Response,
}

/// How large a body may get, and who is told where it gets larger.
#[derive(Clone)]
pub(super) struct Bound {
    pub(super) bytes_max: u64,
    pub(super) direction: Direction,
    /// The request, as logs name it.
    pub(super) name: String,
    /// The call's note.
    pub(super) limit: LimitMet,
    /// Whether it was this body.
    pub(super) is_met: Arc<AtomicBool>,
    pub(super) log: TaskLog,
}

/// A body that ends with an error where it gets too large, or where the other side is silent for too long.
pub(super) struct BoundedBody {
    inner: WasiBody,
    left: u64,
    bound: Bound,
    silence: Option<Interval>,
}

impl Bound {
    /// Refuses a body that says beforehand that it is too large.
    pub(super) fn check(&self, bytes: u64) -> Result<(), Error> {
        if bytes > self.bytes_max { Err(self.met()) } else { Ok(()) }
    }

    /// Notes and logs the limit, and answers with the guest's error.
    fn met(&self) -> Error {
        let Self { bytes_max, direction, name, .. } = self;
        let body = match direction {
            Direction::Request => "request",
            Direction::Response => "response",
        };
        let message = format!("the body of a {body} has at most {bytes_max} bytes (http_body_limit_bytes): {name}");
        self.log.note(LogLevel::Warn, message.clone());
        self.limit.note(message);
        self.is_met.store(true, Ordering::Relaxed);
        match direction {
            Direction::Request => Error::HttpRequestBodySize(Some(*bytes_max)),
            Direction::Response => Error::HttpResponseBodySize(Some(*bytes_max)),
        }
    }
}

impl BoundedBody {
    pub(super) fn new(inner: WasiBody, bound: Bound, silence_max: Option<Duration>) -> Self {
        let silence = silence_max.map(|max| {
            // An interval of nothing is none; and one that was missed is not made up for.
            let mut silence = tokio::time::interval(max.max(Duration::from_millis(1)));
            silence.set_missed_tick_behavior(MissedTickBehavior::Delay);
            silence.reset();
            silence
        });
        Self { inner, left: bound.bytes_max, bound, silence }
    }
}

impl Body for BoundedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Poll::Ready(polled) = Pin::new(&mut self.inner).poll_frame(context) else {
            let is_silent = self.silence.as_mut().is_some_and(|silence| silence.poll_tick(context).is_ready());
            return if is_silent { Poll::Ready(Some(Err(Error::ConnectionReadTimeout))) } else { Poll::Pending };
        };
        if let Some(silence) = &mut self.silence {
            silence.reset();
        }
        let Some(Ok(frame)) = polled else { return Poll::Ready(polled) };
        let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Poll::Ready(Some(Ok(frame)))
            }
            None => Poll::Ready(Some(Err(self.bound.met()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
