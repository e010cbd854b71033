use latchwork_sdk::{Task, TaskError, task};

#[task(retries = 3)]
fn work(_: &Task, _: ()) -> Result<(), TaskError> {
    Ok(())
}

fn main() {}
