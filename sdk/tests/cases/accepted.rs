//! A payload and an output of the author's own, and a plan.

use latchwork_sdk::{Job, Plan, Task, TaskError, task};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Order {
    parts: u32,
}

#[derive(Serialize)]
struct Receipt {
    part: u32,
}

fn cut(_: &Job, order: Order) -> Result<Plan, TaskError> {
    Ok(Plan::tasks(order.parts))
}

#[task(plan = cut)]
fn work(task: &Task, order: Order) -> Result<Receipt, TaskError> {
    if task.index() >= order.parts {
        return Err(TaskError::fatal("more tasks than parts"));
    }
    Ok(Receipt { part: task.index() })
}

fn main() {}
