use latchwork_sdk::{Task, task};

#[task]
fn work(_: &Task, _: ()) {}

fn main() {}
