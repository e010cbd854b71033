use latchwork_sdk::{Task, TaskError, task};

#[task]
async fn work(_: &Task, _: ()) -> Result<(), TaskError> {
    Ok(())
}

fn main() {}
