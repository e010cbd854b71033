//! A task's log: what it wrote through the log interface, to stdout and to stderr.

use super::limits::LINE_BYTES;
use super::scope::Scope;
use crate::domain::task::{LogLevel, LogLine};
use crate::domain::timestamp::Timestamp;
use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// The lines of one call; clones share them.
#[derive(Clone)]
pub(super) struct TaskLog(Arc<Inner>);

struct Inner {
    scope: Arc<Scope>,
    lines: Mutex<Lines>,
}

#[derive(Default)]
struct Lines {
    kept: Vec<LogLine>,
    bytes: usize,
    dropped: u64,
    /// What came on stdout and on stderr without a line's end.
    unfinished: [Vec<u8>; 2],
}

/// Where a guest writes text; the levels of its lines differ.
#[derive(Debug, Clone, Copy)]
pub(super) enum Channel {
    Stdout,
    Stderr,
}

impl TaskLog {
    /// One that keeps as much of a call as its scope says, and no secret in it.
    pub(super) fn new(scope: Arc<Scope>) -> Self {
        Self(Arc::new(Inner { scope, lines: Mutex::default() }))
    }

    /// The time, as its lines have it.
    pub(super) fn now(&self) -> Timestamp {
        self.0.scope.now()
    }

    /// A text of the call without secrets in it.
    pub(super) fn covered(&self, text: String) -> String {
        self.0.scope.veil.cover(text)
    }

    /// Adds a line; one that is too much is counted instead.
    pub(super) fn write(&self, level: LogLevel, message: String) {
        self.add(&mut self.lock(), level, message);
    }

    /// Takes the lines of a call, the last of them saying how many were dropped. What comes later is another call's.
    pub(super) fn take(&self) -> Vec<LogLine> {
        let mut lines = self.lock();
        for channel in [Channel::Stdout, Channel::Stderr] {
            self.finish_line(&mut lines, channel);
        }
        let Lines { mut kept, dropped, .. } = std::mem::take(&mut *lines);
        if dropped > 0 {
            let max = self.bytes_max();
            let message = format!("{dropped} further lines dropped: a task's log keeps {max} bytes (log_limit_bytes)");
            kept.push(LogLine { at: self.now(), level: LogLevel::Warn, message });
        }
        kept
    }

    fn push(&self, channel: Channel, bytes: &[u8]) {
        let mut lines = self.lock();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let unfinished = &mut lines.unfinished[channel as usize];
            let room = self.bytes_max().saturating_sub(unfinished.len());
            unfinished.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                self.finish_line(&mut lines, channel);
            }
        }
    }

    fn finish_line(&self, lines: &mut Lines, channel: Channel) {
        let unfinished = std::mem::take(&mut lines.unfinished[channel as usize]);
        let line = String::from_utf8_lossy(&unfinished).trim_end().to_owned();
        if !line.is_empty() {
            self.add(lines, channel.level(), line);
        }
    }

    fn add(&self, lines: &mut Lines, level: LogLevel, message: String) {
        let message = self.covered(message);
        let cost = message.len() + LINE_BYTES;
        if lines.bytes + cost > self.bytes_max() {
            lines.dropped += 1;
            return;
        }
        lines.bytes += cost;
        lines.kept.push(LogLine { at: self.now(), level, message });
    }

    fn bytes_max(&self) -> usize {
        usize::try_from(self.0.scope.limits.call.log_bytes_max).unwrap_or(usize::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channel {
    fn level(self) -> LogLevel {
        match self {
            Self::Stdout => LogLevel::Info,
            Self::Stderr => LogLevel::Warn,
        }
    }
}

/// Stdout or stderr of a guest, cut into lines of its log.
#[derive(Clone)]
pub(super) struct LogStream {
    log: TaskLog,
    channel: Channel,
}

impl LogStream {
    pub(super) fn new(log: TaskLog, channel: Channel) -> Self {
        Self { log, channel }
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // The road of WASI 0.3, which is not linked: `p2_stream` is the one that guests take.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.log.push(self.channel, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        // What is too much is dropped, and said to be: a guest is never kept waiting for its log.
        Ok(1 << 20)
    }
}

#[async_trait::async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}
