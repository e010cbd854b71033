//! How a call ends, and what it asks the host to keep.

use std::collections::BTreeMap;

/// How a call of a plugin ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<T> {
    /// It answered.
    Succeeded(T),
    /// It did not; what it wrote is dropped.
    Failed(Failure),
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The reason a program can branch on.
    pub kind: FailureKind,
    /// The reason for people.
    pub message: String,
}

/// The kinds of failure; the retry rule differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The plugin returned an error that may pass.
    Retryable,
    /// The plugin returned an error that will not pass.
    Fatal,
    /// The plugin trapped: a panic, an abort, a division by zero.
    Trap,
    /// The call took longer than the job's timeout.
    Timeout,
    /// The call wanted more memory than the job's limit.
    OutOfMemory,
    /// The call went beyond another limit.
    LimitExceeded,
    /// The task was in flight in too many crashes of the host.
    Poison,
    /// The host could not make the call, for instance because a granted directory is gone.
    Host,
}

const NAMES: [(FailureKind, &str); 8] = [
    (FailureKind::Retryable, "retryable"),
    (FailureKind::Fatal, "fatal"),
    (FailureKind::Trap, "trap"),
    (FailureKind::Timeout, "timeout"),
    (FailureKind::OutOfMemory, "out_of_memory"),
    (FailureKind::LimitExceeded, "limit_exceeded"),
    (FailureKind::Poison, "poison"),
    (FailureKind::Host, "host"),
];

impl FailureKind {
    /// The name in SQL, JSON and logs.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(kind, _)| *kind == self).expect("NAMES has every kind").1
    }

    /// Whether another attempt can end otherwise. A limit that was hit once is hit again, so those are final.
    pub fn is_retried(self) -> bool {
        matches!(self, Self::Retryable | Self::Trap | Self::Timeout | Self::Host)
    }
}

/// What a successful call of `run` leaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskOutput {
    /// What the plugin returned; empty for none.
    pub output: Vec<u8>,
    /// What it wrote to the job's keys: a value, or none for a removed key.
    pub keys: KeyWrites,
    /// What it told whoever watches.
    pub events: Vec<Event>,
}

/// Writes to a job's keys, the last one for each.
pub type KeyWrites = BTreeMap<String, Option<Vec<u8>>>;

/// What a plugin tells whoever watches its interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: super::timestamp::Timestamp,
    /// What kind of news it is.
    pub name: String,
    /// The news, a JSON text.
    pub body: String,
}

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Only for whoever looks for a fault.
    Debug,
    /// The ordinary course.
    Info,
    /// Worth a look.
    Warn,
    /// Something failed.
    Error,
}

impl LogLevel {
    /// The name in SQL and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// A line that a plugin wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When.
    pub at: super::timestamp::Timestamp,
    /// How much it matters.
    pub level: LogLevel,
    /// What it says.
    pub message: String,
}
