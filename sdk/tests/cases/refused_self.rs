use latchwork_sdk::{Task, TaskError, task};

struct Worker;

impl Worker {
    #[task]
    fn work(&self, _: &Task) -> Result<(), TaskError> {
        Ok(())
    }
}

fn main() {}
