//! Acts that ask the host for what it offers to tasks, up to its limits and beyond.

use crate::act::Ending;
use latchwork_sdk::{HostError, Plan, Stage, Task, TaskError, checkpoint, events, keys, outputs};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{fs::File, path::Path};

/// A stage as the payload wants it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct StageOrder {
    name: String,
    tasks: u32,
    #[serde(default)]
    after: Vec<String>,
}

/// The plan that the payload draws, sound or not.
pub(crate) fn graph(stages: Vec<StageOrder>) -> Plan {
    let stage = |order: StageOrder| Stage::new(order.name, order.tasks).after(order.after);
    stages.into_iter().map(stage).fold(Plan::default(), Plan::stage)
}

/// Asks for outputs of other stages and returns what the host answered to each; without a question, says who it is.
pub(crate) fn outputs(task: &Task, ask: &[(String, u32)]) -> Result<Value, TaskError> {
    if ask.is_empty() {
        return Ok(json!({"stage": task.stage(), "index": task.stage_index()}));
    }
    let read = |(stage, index): &(String, u32)| match outputs::get(stage, *index) {
        Ok(Some(bytes)) => serde_json::from_slice(&bytes).map_err(TaskError::fatal),
        Ok(None) => Ok(Value::Null),
        Err(error) => Ok(refusal(error)),
    };
    ask.iter().map(read).collect::<Result<Vec<Value>, _>>().map(Value::from)
}

/// Saves so many bytes and returns the answer.
pub(crate) fn save(bytes: usize) -> Value {
    answer(checkpoint::save(vec![7; bytes]))
}

/// Where there is no checkpoint, saves one, leaves a file as a sign, and waits for an hour; else returns what it found.
pub(crate) fn resume(task: &Task, directory: &str) -> Result<Value, TaskError> {
    if let Some(found) = task.checkpoint() {
        return Ok(json!({"found": String::from_utf8_lossy(found), "attempt": task.attempt()}));
    }
    checkpoint::save("the first quarter")?;
    checkpoint::save(format!("half way of {}", task.index()))?;
    File::create(Path::new(directory).join(format!("saved-{}", task.index())))?;
    Ok(crate::act::sleep(3_600_000))
}

/// Saves at the first attempt and fails; later attempts return what they found.
pub(crate) fn save_and_fail(task: &Task) -> Result<Value, TaskError> {
    match task.checkpoint() {
        Some(found) => Ok(String::from_utf8_lossy(found).into()),
        None => {
            checkpoint::save("from the first attempt")?;
            Err(TaskError::retryable("after saving, as the payload says"))
        }
    }
}

/// Emits the same event so many times, and returns the first refusal.
pub(crate) fn emit(task: &Task, times: u32, name: &str, body: &str, then: Option<Ending>) -> Result<Value, TaskError> {
    for _ in 0..times {
        if let Err(error) = events::emit(name, body) {
            return Ok(refusal(error));
        }
    }
    match then {
        None => Ok("ok".into()),
        Some(Ending::Fatal) => Err(TaskError::fatal(format!("fatal after emitting in {}, as said", task.index()))),
    }
}

/// Sets a key of its own to so many bytes, waits, and passes on whatever the host refuses.
pub(crate) fn fill(task: &Task, bytes: usize, ms: u64) -> Result<Value, TaskError> {
    fill_key(task.index(), bytes)?;
    Ok(crate::act::sleep(ms))
}

/// The same in a plan.
pub(crate) fn fill_key(index: u32, bytes: usize) -> Result<(), TaskError> {
    Ok(keys::set(&format!("fill/{index}"), vec![7; bytes])?)
}

fn answer<T>(result: Result<T, HostError>) -> Value {
    result.map_or_else(refusal, |_| "ok".into())
}

fn refusal(error: HostError) -> Value {
    match error {
        HostError::Unsupported(what) => json!({"unsupported": what}),
        HostError::Invalid(why) => json!({"invalid": why}),
        HostError::LimitExceeded(what) => json!({"limit-exceeded": what}),
        HostError::Unavailable(what) => json!({"unavailable": what}),
    }
}
