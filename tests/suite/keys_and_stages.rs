//! What a task wrote counts with its completion or not at all, and stages follow one another.

use latchwork_tests::{Host, text};
use serde_json::{Value, json};

#[test]
fn keys_of_succeeded_tasks_are_there_in_the_next_interval() {
    let host = crate::jobs::host();
    let job = host.api.manual_job("misbehave", &json!({ "act": "keys" }), json!({ "tasks": 3, "max_parallel": 1 }));
    assert_eq!(found(&host, &job, "succeeded"), ["found []", "found [task/0]", "found [task/0 task/1]"]);
    assert_eq!(found(&host, &job, "succeeded"), ["found [task/0 task/1 task/2]"; 3]);
}

#[test]
fn keys_of_failed_tasks_are_dropped() {
    let host = crate::jobs::host();
    let payload = json!({ "act": "keys", "then": "fatal" });
    let job = host.api.manual_job("misbehave", &payload, json!({ "tasks": 3, "max_parallel": 1 }));
    for _ in 0..2 {
        assert_eq!(found(&host, &job, "failed"), ["found []"; 3]);
    }
}

#[test]
fn keys_belong_to_one_job() {
    let host = crate::jobs::host();
    let payload = json!({ "act": "keys" });
    for _ in 0..2 {
        let job = host.api.manual_job("misbehave", &payload, json!({}));
        assert_eq!(found(&host, &job, "succeeded"), ["found []"]);
    }
}

/// Every task of `stages` fails unless all tasks of the stage before are recorded and what they wrote is visible.
#[test]
fn stages_begin_when_those_before_them_have_succeeded() {
    let host = crate::jobs::host();
    let ended = host.api.run("misbehave", &json!({ "act": "stages" }), json!({}));
    assert_eq!((&ended["state"], &ended["completed"]), (&json!("succeeded"), &json!(6)), "{ended}");
    let waits_for: [&[&str]; 3] = [&[], &["first"], &["second"]];
    let expected = [("first", 0, 3), ("second", 3, 2), ("third", 5, 1)];
    for (place, (name, first, tasks)) in expected.into_iter().enumerate() {
        let stage = json!({
            "name": name, "first_index": first, "tasks": tasks, "waits_for": waits_for[place],
            "state": "succeeded", "completed": tasks, "failed": 0,
        });
        assert_eq!(ended["stages"][place], stage);
    }
    assert_eq!(host.api.task(&text(&ended["id"]), 4)["stage"], "second");
}

#[test]
fn a_failed_stage_keeps_the_next_from_beginning_and_the_interval_says_so() {
    let host = crate::jobs::host();
    // The first stage leaves no keys, for it does not act; so the second finds its promise broken at its first task.
    let ended = host.api.run("misbehave", &json!({ "act": "stages", "only": [3] }), json!({}));
    assert_eq!((&ended["state"], &ended["completed"], &ended["failed"]), (&json!("failed"), &json!(4), &json!(1)));
    let states = ended["stages"].as_array().unwrap().iter().map(|stage| &stage["state"]).collect::<Vec<_>>();
    assert_eq!(states, ["succeeded", "failed", "pending"]);
    let reason = text(&ended["reason"]);
    assert!(reason.contains("second") && reason.contains("third"), "both stages are named: {reason}");
    let task = host.api.task(&text(&ended["id"]), 5);
    assert_eq!((&task["state"], &task["attempts"]), (&json!("pending"), &json!(0)), "{task}");
}

/// Triggers the job and returns what each of its tasks found, in the order in which they were recorded.
fn found(host: &Host, job: &str, state: &str) -> Vec<String> {
    let ended: Value = host.api.ended(&host.api.trigger(job));
    assert_eq!(ended["state"], state, "{ended}");
    host.api.log(&text(&ended["id"]), None)
}
