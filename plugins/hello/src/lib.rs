//! The smallest plugin: greets, once for each task.

use latchwork_sdk::{Task, TaskError, log, task};
use serde::Deserialize;

#[derive(Deserialize)]
struct Greeting {
    name: String,
}

#[task]
fn greet(task: &Task, greeting: Greeting) -> Result<String, TaskError> {
    if greeting.name.is_empty() {
        return Err(TaskError::fatal("the payload's name is empty"));
    }
    log::info!("task {} of {}", task.index(), task.total());
    Ok(format!("Hello, {}!", greeting.name))
}
