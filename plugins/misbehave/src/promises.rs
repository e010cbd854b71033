//! Acts that check the promises about the job's keys. A promise that was not kept is a fatal error.

use crate::act::Ending;
use latchwork_sdk::{Plan, Task, TaskError, keys, log};
use serde_json::Value;

/// The stages of [`Act::Stages`](crate::act::Act::Stages), in their order, and their tasks.
const STAGES: [(&str, u32); 3] = [("first", 3), ("second", 2), ("third", 1)];

/// Three stages, one after another.
pub(crate) fn stages() -> Plan {
    STAGES.into_iter().fold(Plan::default(), |plan, (name, tasks)| plan.then(name, tasks))
}

/// Checks that all keys of the stage before are there, and sets the task's own.
pub(crate) fn stage(task: &Task) -> Result<Value, TaskError> {
    let interval = task.job().interval_id();
    let key = |stage: &str, index: u32| format!("stage/{interval}/{stage}/{index}");
    if let Some((before, tasks)) = stage_before(task.stage()) {
        for index in 0..tasks {
            let key = key(before, index);
            expect(keys::get(&key)?.is_some(), &format!("the key {key} of the stage before is there"))?;
        }
    }
    keys::set(&key(task.stage(), task.stage_index()), "done")?;
    Ok(Value::Null)
}

fn stage_before(stage: &str) -> Option<(&'static str, u32)> {
    let position = STAGES.iter().position(|(name, _)| *name == stage)?;
    Some(STAGES[position.checked_sub(1)?])
}

/// Logs which keys earlier tasks have left; then sets the task's own, and checks that the call sees its own write, its
/// own deletion, and its key in a list.
pub(crate) fn keys(task: &Task, then: Option<Ending>) -> Result<Value, TaskError> {
    let key = format!("task/{}", task.index());
    let value = task.idempotency_key();
    log::info!("found [{}]", keys::list("task/")?.join(" "));
    keys::set(&key, "to be deleted")?;
    keys::delete(&key)?;
    expect(keys::get(&key)?.is_none(), "a key that the call deleted is gone")?;
    expect(!keys::list("task/")?.contains(&key), "a key that the call deleted is not listed")?;
    keys::set(&key, value)?;
    expect(keys::get(&key)?.as_deref() == Some(value.as_bytes()), "a key that the call set has its value")?;
    expect(keys::list("task/")?.contains(&key), "a key that the call set is listed")?;
    match then {
        None => Ok(Value::Null),
        Some(Ending::Fatal) => Err(TaskError::fatal(format!("fatal after setting {key}, as the payload says"))),
    }
}

fn expect(kept: bool, promise: &str) -> Result<(), TaskError> {
    if kept { Ok(()) } else { Err(TaskError::fatal(format!("not kept: {promise}"))) }
}

#[cfg(test)]
mod tests {
    use super::stage_before;

    #[test]
    fn every_stage_but_the_first_has_one_before_it() {
        assert_eq!(stage_before("first"), None);
        assert_eq!(stage_before("second"), Some(("first", 3)));
        assert_eq!(stage_before("third"), Some(("second", 2)));
    }
}
