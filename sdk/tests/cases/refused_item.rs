use latchwork_sdk::task;

#[task]
struct Work;

fn main() {}
