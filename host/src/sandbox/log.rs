//! A task's log: what it wrote through the log interface, to stdout and to stderr.

use super::limits::{LINE_BYTES, LOG_BYTES_MAX};
use crate::domain::task::{LogLevel, LogLine};
use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Reads the time for a log line.
pub(super) type Now = Arc<dyn Fn() -> crate::domain::timestamp::Timestamp + Send + Sync>;

/// The lines of one call; clones share them.
#[derive(Clone)]
pub(super) struct TaskLog {
    now: Now,
    lines: Arc<Mutex<Lines>>,
}

#[derive(Default)]
struct Lines {
    kept: Vec<LogLine>,
    bytes: usize,
    dropped: u64,
}

impl TaskLog {
    pub(super) fn new(now: Now) -> Self {
        Self { now, lines: Arc::default() }
    }

    /// Adds a line; one that is too much is counted instead.
    pub(super) fn write(&self, level: LogLevel, message: String) {
        let mut lines = self.lock();
        let cost = message.len() + LINE_BYTES;
        if lines.bytes + cost > LOG_BYTES_MAX {
            lines.dropped += 1;
            return;
        }
        lines.bytes += cost;
        lines.kept.push(LogLine { at: (self.now)(), level, message });
    }

    /// The lines, the last of them saying how many were dropped.
    pub(super) fn take(&self) -> Vec<LogLine> {
        let mut lines = self.lock();
        let mut kept = std::mem::take(&mut lines.kept);
        if lines.dropped > 0 {
            let message = format!("{} further lines dropped: a task's log keeps {LOG_BYTES_MAX} bytes", lines.dropped);
            kept.push(LogLine { at: (self.now)(), level: LogLevel::Warn, message });
        }
        kept
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stdout or stderr of a guest, cut into lines of its log.
#[derive(Clone)]
pub(super) struct LogStream {
    log: TaskLog,
    level: LogLevel,
    unfinished: Arc<Mutex<Vec<u8>>>,
}

impl LogStream {
    pub(super) fn new(log: TaskLog, level: LogLevel) -> Self {
        Self { log, level, unfinished: Arc::default() }
    }

    fn push(&self, bytes: &[u8]) {
        let mut unfinished = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LOG_BYTES_MAX.saturating_sub(unfinished.len());
            unfinished.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                self.finish(&mut unfinished);
            }
        }
    }

    fn finish(&self, unfinished: &mut Vec<u8>) {
        let line = String::from_utf8_lossy(unfinished).trim_end().to_owned();
        unfinished.clear();
        if !line.is_empty() {
            self.log.write(self.level, line);
        }
    }
}

impl Drop for LogStream {
    fn drop(&mut self) {
        // The last owner writes what came without a line's end.
        if let Some(unfinished) = Arc::get_mut(&mut self.unfinished) {
            let mut rest = std::mem::take(unfinished.get_mut().unwrap_or_else(PoisonError::into_inner));
            if !rest.is_empty() {
                self.finish(&mut rest);
            }
        }
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
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(LOG_BYTES_MAX)
    }
}

#[async_trait::async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}
