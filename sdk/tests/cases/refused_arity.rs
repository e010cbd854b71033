use latchwork_sdk::{TaskError, task};

#[task]
fn work() -> Result<(), TaskError> {
    Ok(())
}

fn main() {}
