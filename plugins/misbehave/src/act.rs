//! What a payload can ask for.

use crate::asked::{self, StageOrder};
use crate::{burden, outside, promises};
use latchwork_sdk::{Task, TaskError};
use serde::Deserialize;
use serde_json::Value;
use std::{thread, time::Duration};

/// One way to behave, chosen by the payload's `act`.
#[derive(Debug, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub(crate) enum Act {
    /// Returns at once.
    Succeed,
    /// Ends in an `unreachable`.
    Trap,
    /// Panics: a message on stderr, then a trap.
    Panic,
    /// Never returns, and calls nothing.
    Loop,
    /// Computes for so many rounds, a few milliseconds for each million, and returns.
    Compute { rounds: u64 },
    /// Returns how many calls its sandbox has served, this one included; traps or fails at these indices.
    Count {
        #[serde(default)]
        trap: Vec<u32>,
        #[serde(default)]
        fail: Vec<u32>,
    },
    /// Takes memory until it gets no more.
    Hog,
    /// Returns an output of about so many bytes.
    Flood { bytes: usize },
    /// Writes so many lines to the log and to stdout.
    Chatter { lines: u32 },
    /// Waits inside a host call.
    Sleep { ms: u64 },
    /// Fails with a retryable error on every attempt before this one.
    Retryable { until_attempt: u32 },
    /// Fails with a fatal error.
    Fatal,
    /// Leaves an empty file `{index}-{attempt}-{fencing_token}` in a granted writable directory, for an observer
    /// outside of the host; then waits `ms`, or for an hour where the index is among the `stuck`.
    Witness {
        directory: String,
        #[serde(default)]
        ms: u64,
        #[serde(default)]
        stuck: Vec<u32>,
    },
    /// Adds a byte to `directory/beats-{index}` every `ms`, for ever.
    Beat { directory: String, ms: u64 },
    /// Logs the keys `task/...` that are there, sets `task/{index}`, and checks that it sees its own write.
    Keys { then: Option<Ending> },
    /// Plans three stages; every stage checks that the one before it is complete and visible.
    Stages,
    /// Plans the graph that the payload draws; every task asks for these outputs, and returns the answers.
    Graph {
        stages: Vec<StageOrder>,
        #[serde(default)]
        ask: Vec<(String, u32)>,
    },
    /// Saves a checkpoint of so many bytes, and returns the answer.
    Save { bytes: usize },
    /// Saves, leaves a file `saved-{index}` in a granted writable directory, and waits to be killed; returns the
    /// checkpoint where there is one.
    Resume { directory: String },
    /// Saves and fails at the first attempt; returns the checkpoint where there is one.
    SaveAndFail,
    /// Emits an event so many times, and returns the first refusal.
    Emit { times: u32, name: String, body: String, then: Option<Ending> },
    /// Sets a key of the task's own to so many bytes, then waits.
    Fill {
        bytes: usize,
        #[serde(default)]
        ms: u64,
    },
    /// The same in the plan.
    FillInPlan { bytes: usize },
    /// Tries to read a path, and returns whether it could.
    Probe { path: String },
    /// Tries to open a TCP connection, and returns what came of it.
    Connect { address: String },
    /// Tells an environment variable to its log, to stdout and to stderr, and fails with it.
    Tell { variable: String },
    /// Returns the environment variables and the arguments that it sees.
    Environment,
}

/// How a task ends that has written something.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ending {
    /// With a fatal error: the host must drop what the task wrote.
    Fatal,
}

impl Act {
    /// Does it; the value is the task's output.
    pub(crate) fn play(self, task: &Task) -> Result<Value, TaskError> {
        match self {
            Self::Succeed => Ok(Value::Null),
            Self::Trap => std::process::abort(),
            Self::Panic => panic!("task {} panics, as its payload says", task.index()),
            Self::Loop => burden::spin(),
            Self::Compute { rounds } => Ok(burden::compute(rounds)),
            Self::Count { trap, fail } => burden::count(task.index(), &trap, &fail),
            Self::Hog => burden::hog(),
            Self::Flood { bytes } => Ok("x".repeat(bytes).into()),
            Self::Chatter { lines } => Ok(burden::chatter(lines)),
            Self::Sleep { ms } => Ok(sleep(ms)),
            Self::Retryable { until_attempt } => retryable(task, until_attempt),
            Self::Fatal => Err(TaskError::fatal("fatal, as the payload says")),
            Self::Witness { directory, ms, stuck } => {
                let ms = if stuck.contains(&task.index()) { 3_600_000 } else { ms };
                outside::witness(task, &directory).map(|()| sleep(ms))
            }
            Self::Beat { directory, ms } => outside::beat(task.index(), &directory, ms),
            Self::Keys { then } => promises::keys(task, then),
            Self::Stages => promises::stage(task),
            Self::Graph { ask, .. } => asked::outputs(task, &ask),
            Self::Save { bytes } => Ok(asked::save(bytes)),
            Self::Resume { directory } => asked::resume(task, &directory),
            Self::SaveAndFail => asked::save_and_fail(task),
            Self::Emit { times, name, body, then } => asked::emit(task, times, &name, &body, then),
            Self::Fill { bytes, ms } => asked::fill(task, bytes, ms),
            Self::FillInPlan { .. } => Ok(Value::Null),
            Self::Probe { path } => Ok(outside::probe(&path)),
            Self::Connect { address } => Ok(outside::connect(&address)),
            Self::Tell { variable } => outside::tell(&variable),
            Self::Environment => Ok(outside::environment()),
        }
    }
}

pub(crate) fn sleep(ms: u64) -> Value {
    thread::sleep(Duration::from_millis(ms));
    Value::Null
}

fn retryable(task: &Task, until_attempt: u32) -> Result<Value, TaskError> {
    if task.attempt() < until_attempt {
        return Err(TaskError::retryable(format!("attempt {} of {until_attempt}", task.attempt())));
    }
    Ok(Value::Null)
}
