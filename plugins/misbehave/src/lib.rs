//! Behaves as its payload says, above all badly: the plugin of the host's own tests.
//!
//! `{"act": "trap"}` does it at every task, `{"act": "trap", "only": [3, 5]}` at those indices alone; every other task
//! succeeds. `act::Act` lists the acts.

mod act;
mod asked;
mod burden;
mod outside;
mod promises;

use act::Act;
use latchwork_sdk::{Job, Plan, Task, TaskError, task};
use serde::Deserialize;
use serde_json::Value;

/// The job's payload.
#[derive(Deserialize)]
struct Order {
    /// The indices that act; all of them where it is absent.
    only: Option<Vec<u32>>,
    #[serde(flatten)]
    act: Act,
}

impl Order {
    fn concerns(&self, index: u32) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&index))
    }
}

fn plan(_: &Job, Order { act, .. }: Order) -> Result<Plan, TaskError> {
    match act {
        Act::Stages => Ok(promises::stages()),
        Act::Graph { stages, .. } => Ok(asked::graph(stages)),
        Act::FillInPlan { bytes } => asked::fill_key(0, bytes).map(|()| Plan::default()),
        _ => Ok(Plan::default()),
    }
}

#[task(plan = plan)]
fn misbehave(task: &Task, order: Order) -> Result<Value, TaskError> {
    if order.concerns(task.index()) { order.act.play(task) } else { Ok(Value::Null) }
}

#[cfg(test)]
mod tests {
    use super::Order;
    use serde_json::{from_value, json};

    #[test]
    fn an_order_concerns_all_tasks_or_only_those_it_names() {
        let all: Order = from_value(json!({"act": "trap"})).unwrap();
        assert!(all.concerns(0) && all.concerns(7));
        let some: Order = from_value(json!({"act": "flood", "bytes": 9, "only": [3, 5]})).unwrap();
        assert!(some.concerns(3) && some.concerns(5) && !some.concerns(4));
    }

    #[test]
    fn an_act_that_does_not_exist_is_refused_by_name() {
        let error = from_value::<Order>(json!({"act": "behave"})).err().unwrap();
        assert!(error.to_string().contains("behave"), "{error}");
    }
}
