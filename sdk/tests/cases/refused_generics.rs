use latchwork_sdk::{Task, TaskError, task};

#[task]
fn work<P>(_: &Task, _: P) -> Result<(), TaskError> {
    Ok(())
}

fn main() {}
