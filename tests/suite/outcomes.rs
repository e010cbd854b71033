//! Every way in which a task can end, and that none of them harms the host.

use latchwork_tests::{Host, HostBuilder, text};
use serde_json::{Value, json};

const MIB: usize = 1 << 20;

#[test]
fn a_trap_is_a_trap() {
    let world = World::new();
    let (_, task) = world.fails(json!({ "act": "trap" }), json!({}));
    assert_eq!(task["failure"]["kind"], "trap", "{task}");
}

#[test]
fn a_panic_is_a_trap_whose_message_is_in_the_tasks_log() {
    let world = World::new();
    let (interval, task) = world.fails(json!({ "act": "panic" }), json!({}));
    assert_eq!(task["failure"]["kind"], "trap", "{task}");
    let log = world.log(&interval);
    assert!(log.iter().any(|line| line.contains("task 0 panics, as its payload says")), "{log:?}");
}

#[test]
fn an_endless_computation_ends_with_its_timeout() {
    let world = World::new();
    let (_, task) = world.fails(json!({ "act": "loop" }), json!({ "timeout": "1s" }));
    assert_eq!(task["failure"]["kind"], "timeout", "{task}");
    assert!(text(&task["failure"]["message"]).contains("1s"), "{task}");
}

#[test]
fn a_call_that_waits_inside_the_host_ends_with_its_timeout() {
    let world = World::new();
    let (_, task) = world.fails(json!({ "act": "sleep", "ms": 3_600_000 }), json!({ "timeout": "1s" }));
    assert_eq!(task["failure"]["kind"], "timeout", "{task}");
}

#[test]
fn a_task_that_takes_too_much_memory_is_out_of_memory() {
    let world = World::new();
    let rest = json!({ "memory_limit_bytes": 16 * MIB, "retry": { "max_attempts": 5 } });
    let (_, task) = world.fails(json!({ "act": "hog" }), rest);
    assert_eq!(task["failure"]["kind"], "out_of_memory", "{task}");
    assert!(text(&task["failure"]["message"]).contains("16777216 bytes"), "the limit is named: {task}");
    assert_eq!(task["attempts"], 1, "a limit that was hit once is hit again: {task}");
}

#[test]
fn an_output_over_its_limit_is_refused_however_large_it_is() {
    let world = World::new();
    // The quotes around the text count, too.
    let fits = world.run(json!({ "act": "flood", "bytes": MIB - 2 }), json!({}));
    assert_eq!(fits["state"], "succeeded", "{fits}");
    for (bytes, limit) in [(MIB - 1, "at most 1048576 bytes"), (64 * MIB, "at most 16777216 bytes")] {
        let (_, task) =
            world.fails(json!({ "act": "flood", "bytes": bytes }), json!({ "memory_limit_bytes": 1 << 30 }));
        assert_eq!(task["failure"]["kind"], "limit_exceeded", "{bytes}: {task}");
        assert!(text(&task["failure"]["message"]).contains(limit), "{bytes}: {task}");
        assert_eq!(task["output"], Value::Null, "nothing of it is kept");
    }
}

#[test]
fn a_log_over_its_limit_is_cut_and_says_how_much_is_missing() {
    const LINES: usize = 20_000;
    let world = World::new();
    let ended = world.run(json!({ "act": "chatter", "lines": LINES }), json!({}));
    assert_eq!(ended["state"], "succeeded", "{ended}");
    let log = world.log(&text(&ended["id"]));
    let (last, kept) = log.split_last().unwrap();
    assert!(kept.contains(&"log line 0".to_owned()) && kept.contains(&"stdout line 0".to_owned()));
    assert!(kept.iter().map(String::len).sum::<usize>() <= MIB / 4, "no more than 256 KiB is kept");
    let missing = 2 * LINES - kept.len();
    assert_eq!(last, &format!("{missing} further lines dropped: a task's log keeps 262144 bytes (log_limit_bytes)"));
}

#[test]
fn a_fatal_error_ends_the_task_at_its_first_attempt() {
    let world = World::new();
    let (_, task) = world.fails(json!({ "act": "fatal" }), json!({ "retry": { "max_attempts": 5 } }));
    let failure = json!({ "kind": "fatal", "message": "fatal, as the payload says" });
    assert_eq!((&task["failure"], &task["attempts"]), (&failure, &json!(1)), "{task}");
}

#[test]
fn a_retryable_error_is_tried_again_until_it_passes() {
    let world = World::new();
    let ended = world.run(json!({ "act": "retryable", "until_attempt": 3 }), retry(5));
    assert_eq!(ended["state"], "succeeded", "{ended}");
    let task = world.host.api.task(&text(&ended["id"]), 0);
    assert_eq!((&task["state"], &task["attempts"]), (&json!("succeeded"), &json!(3)), "{task}");
}

#[test]
fn a_task_that_never_passes_fails_alone_when_its_attempts_are_used_up() {
    let world = World::new();
    let mut rest = retry(3);
    rest["tasks"] = json!(10);
    let ended = world.run(json!({ "act": "retryable", "until_attempt": 99, "only": [3, 7] }), rest);
    assert_eq!((&ended["state"], &ended["completed"], &ended["failed"]), (&json!("failed"), &json!(8), &json!(2)));
    assert_eq!(ended["completed_indices"], "0-2,4-6,8-9");
    let failed = world.host.api.get(&format!("/intervals/{}/tasks?state=failed", text(&ended["id"])));
    let failed = failed["tasks"].as_array().unwrap();
    let path = format!("/intervals/{}/tasks?state=succeeded&after=2&limit=2", text(&ended["id"]));
    let page = world.host.api.get(&path);
    let indices: Vec<_> = page["tasks"].as_array().unwrap().iter().map(|task| &task["index"]).collect();
    assert_eq!(indices, [4, 5], "{page}");
    assert_eq!(failed.iter().map(|task| &task["index"]).collect::<Vec<_>>(), [3, 7]);
    for task in failed {
        assert_eq!((&task["attempts"], &task["failure"]["kind"]), (&json!(3), &json!("retryable")), "{task}");
        assert_eq!(task["failure"]["message"], "attempt 3 of 99", "the last attempt's reason: {task}");
    }
}

#[test]
fn a_plugin_sees_no_environment_and_no_files_of_the_host() {
    let world = World { host: HostBuilder::new().variable("PATH_TO_SECRET", "/secret").start() };
    world.host.api.upload_plugin("misbehave");
    assert_eq!(world.output(json!({ "act": "environment" })), json!({ "variables": {}, "arguments": [] }));
    for path in ["/etc/passwd", "/", ".", "../../etc/passwd"] {
        assert_eq!(world.output(json!({ "act": "probe", "path": path }))["read"], false, "{path}");
    }
}

#[test]
fn a_payload_that_the_plugin_refuses_fails_the_plan_with_its_reason() {
    let world = World::new();
    let ended = world.run(json!({ "act": "behave" }), json!({}));
    assert_eq!((&ended["state"], &ended["total"]), (&json!("failed"), &json!(0)), "{ended}");
    let reason = text(&ended["reason"]);
    assert!(reason.contains("the plan failed (fatal)") && reason.contains("behave"), "{reason}");
}

/// A host that must survive what its plugins do: when the world ends, it still runs another job.
struct World {
    host: Host,
}

impl World {
    fn new() -> Self {
        Self { host: crate::jobs::host() }
    }

    fn run(&self, payload: Value, rest: Value) -> Value {
        self.host.api.run("misbehave", &payload, rest)
    }

    /// Runs a single task that must fail, with one attempt where `rest` does not say; returns the interval and the task.
    fn fails(&self, payload: Value, rest: Value) -> (String, Value) {
        let mut once = json!({ "retry": { "max_attempts": 1 } });
        once.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        let ended = self.run(payload, once);
        assert_eq!((&ended["state"], &ended["failed"]), (&json!("failed"), &json!(1)), "{ended}");
        let interval = text(&ended["id"]);
        let task = self.host.api.task(&interval, 0);
        (interval, task)
    }

    fn output(&self, payload: Value) -> Value {
        let ended = self.run(payload, json!({}));
        assert_eq!(ended["state"], "succeeded", "{ended}");
        self.host.api.task(&text(&ended["id"]), 0)["output"].clone()
    }

    fn log(&self, interval: &str) -> Vec<String> {
        self.host.api.log(interval, Some(0))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.host.api.assert_goes_on();
        }
    }
}

fn retry(max_attempts: u32) -> Value {
    json!({ "retry": { "max_attempts": max_attempts, "backoff": "5ms", "max_backoff": "10ms" } })
}
