//! A task's log: what it wrote through the log interface, to stdout and to stderr.

use super::limits::{HOST_LINES_BYTES_MAX, LINE_BYTES};
use super::scope::Scope;
use crate::domain::task::{LogLevel, LogLine};
use crate::domain::timestamp::Timestamp;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// The lines of a call; clones share them.
#[derive(Clone)]
pub(super) struct TaskLog(Arc<Inner>);

struct Inner {
    scope: Arc<Scope>,
    lines: Mutex<Lines>,
}

#[derive(Default)]
struct Lines {
    kept: Vec<LogLine>,
    /// By writer.
    shares: [Share; 2],
    /// What came on stdout and on stderr without a line's end.
    unfinished: [Vec<u8>; 2],
    /// What has begun and has no end yet, and since when.
    open: BTreeMap<u64, (String, Timestamp)>,
    opened: u64,
}

/// What one writer's lines take, and how many were too many.
#[derive(Default)]
struct Share {
    bytes: usize,
    dropped: u64,
}

/// Whose line it is. What the guest writes keeps out nothing that the host has to say.
#[derive(Debug, Clone, Copy)]
enum Writer {
    Guest,
    Host,
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

    /// Adds a line of the guest; one that is too much is counted instead.
    pub(super) fn write(&self, level: LogLevel, message: String) {
        self.add(&mut self.lock(), Writer::Guest, level, message);
    }

    /// Adds a line of the host, as far as there is room for those.
    pub(super) fn note(&self, level: LogLevel, message: String) {
        self.add(&mut self.lock(), Writer::Host, level, message);
    }

    /// Begins a line of the host about something that takes time. It is written at its end: also where that is given up,
    /// or the call ends before.
    pub(super) fn begin(&self, what: String) -> OpenLine {
        let mut lines = self.lock();
        lines.opened += 1;
        let number = lines.opened;
        lines.open.insert(number, (what, self.now()));
        OpenLine { log: self.clone(), number }
    }

    /// Takes the lines of a call, the last of them saying how many were dropped. What comes later is another call's.
    pub(super) fn take(&self) -> Vec<LogLine> {
        let mut lines = self.lock();
        if lines.are_none() {
            return Vec::new();
        }
        for channel in [Channel::Stdout, Channel::Stderr] {
            self.finish_line(&mut lines, channel);
        }
        while let Some(number) = lines.open.keys().next().copied() {
            self.end(&mut lines, number, LogLevel::Warn, |ms| format!("still open when the call ended, after {ms} ms"));
        }
        let Lines { mut kept, shares, opened, .. } = std::mem::take(&mut *lines);
        // A number is never given out twice: whoever still holds one has no line of a later call.
        lines.opened = opened;
        for (writer, whose) in [(Writer::Host, "of what the host says"), (Writer::Guest, "(log_limit_bytes)")] {
            let (dropped, max) = (shares[writer as usize].dropped, self.bytes_max(writer));
            if dropped > 0 {
                let message = format!("{dropped} further lines dropped: a task's log keeps {max} bytes {whose}");
                kept.push(LogLine { at: self.now(), level: LogLevel::Warn, message });
            }
        }
        kept
    }

    fn push(&self, channel: Channel, bytes: &[u8]) {
        let mut lines = self.lock();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, is_whole) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            let unfinished = &mut lines.unfinished[channel as usize];
            // One byte more than may be kept shows that there was more.
            let room = self.bytes_max(Writer::Guest).saturating_add(1).saturating_sub(unfinished.len());
            unfinished.extend_from_slice(&text[..text.len().min(room)]);
            if is_whole {
                self.finish_line(&mut lines, channel);
            }
        }
    }

    fn finish_line(&self, lines: &mut Lines, channel: Channel) {
        let unfinished = std::mem::take(&mut lines.unfinished[channel as usize]);
        if unfinished.len() > self.bytes_max(Writer::Guest) {
            // It has lost its end, and maybe the end of a secret with it: what is left of that nobody could cover.
            lines.shares[Writer::Guest as usize].dropped += 1;
            return;
        }
        let line = String::from_utf8_lossy(&unfinished).trim_end().to_owned();
        if !line.is_empty() {
            self.add(lines, Writer::Guest, channel.level(), line);
        }
    }

    fn add(&self, lines: &mut Lines, writer: Writer, level: LogLevel, message: String) {
        let message = self.covered(message);
        let share = &mut lines.shares[writer as usize];
        let cost = message.len() + LINE_BYTES;
        if share.bytes + cost > self.bytes_max(writer) {
            share.dropped += 1;
            return;
        }
        share.bytes += cost;
        lines.kept.push(LogLine { at: self.now(), level, message });
    }

    fn end(&self, lines: &mut Lines, number: u64, level: LogLevel, how: impl FnOnce(u128) -> String) {
        if let Some((what, since)) = lines.open.remove(&number) {
            let how = how(self.now().since(since).as_millis());
            self.add(lines, Writer::Host, level, format!("{what}: {how}"));
        }
    }

    fn bytes_max(&self, writer: Writer) -> usize {
        match writer {
            Writer::Guest => usize::try_from(self.0.scope.limits.call.log_bytes_max).unwrap_or(usize::MAX),
            Writer::Host => HOST_LINES_BYTES_MAX,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    /// Whether nothing was written, as by most calls.
    fn are_none(&self) -> bool {
        let nothing_dropped = self.shares.iter().all(|share| share.dropped == 0);
        nothing_dropped && self.kept.is_empty() && self.unfinished.iter().all(Vec::is_empty) && self.open.is_empty()
    }
}

/// A line whose end is not known yet.
pub(super) struct OpenLine {
    log: TaskLog,
    number: u64,
}

impl OpenLine {
    /// Writes it; `how` is told how many milliseconds have passed.
    pub(super) fn end(self, level: LogLevel, how: impl FnOnce(u128) -> String) {
        self.log.end(&mut self.log.lock(), self.number, level, how);
    }
}

impl Drop for OpenLine {
    fn drop(&mut self) {
        self.log.end(&mut self.log.lock(), self.number, LogLevel::Warn, |ms| format!("given up after {ms} ms"));
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
