//! Does nothing: what a task costs when its work costs nothing. For the benchmark.

use latchwork_sdk::{Task, TaskError, task};

#[task]
fn noop(_: &Task, (): ()) -> Result<(), TaskError> {
    Ok(())
}
