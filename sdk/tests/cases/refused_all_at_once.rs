use latchwork_sdk::{Task, task};

#[task(plan = "cut")]
async fn work(_: &Task) {}

fn main() {}
