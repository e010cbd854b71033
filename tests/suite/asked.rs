//! What a plugin asks the host for while it runs, up to each limit and beyond.

use latchwork_tests::{Host, HostBuilder, text, wait_for};
use serde_json::{Value, json};
use tempfile::TempDir;

const MIB: usize = 1 << 20;

/// A diamond whose last stage is declared first.
fn diamond() -> Value {
    json!([
        { "name": "report", "tasks": 1, "after": ["left", "right"] },
        { "name": "left", "tasks": 2, "after": ["split"] },
        { "name": "right", "tasks": 1, "after": ["split"] },
        { "name": "split", "tasks": 2 },
    ])
}

#[test]
fn a_stage_reads_what_the_stages_that_it_waited_for_returned() {
    let host = crate::jobs::host();
    let ask = json!([["left", 1], ["split", 0], ["report", 0], ["nowhere", 0], ["left", 2]]);
    // Only the last stage and the second task of `left` act; the others leave no output.
    let payload = json!({ "act": "graph", "stages": diamond(), "ask": ask, "only": [0, 2] });
    let ended = host.api.run("misbehave", &payload, json!({}));
    assert_eq!((&ended["state"], &ended["completed"]), (&json!("succeeded"), &json!(6)), "{ended}");
    let interval = text(&ended["id"]);
    let (report, left) = (host.api.task(&interval, 0)["output"].clone(), host.api.task(&interval, 2)["output"].clone());
    assert_eq!(report[0], left, "the output of the other task as it was returned");
    assert_eq!(report[1], Value::Null, "through the stages in the middle, of a task that returned nothing");
    for (answer, reason) in [
        (&report[2], "stage `report` does not wait for stage `report`"),
        (&report[3], "the plan has no stage `nowhere`"),
        (&report[4], "stage `left` has 2 tasks; there is no task 2 among them"),
        (&left[0], "stage `left` does not wait for stage `left`"),
        (&left[2], "stage `left` does not wait for stage `report`"),
    ] {
        assert!(text(&answer["invalid"]).contains(reason), "{reason}: {answer}");
    }
}

#[test]
fn a_plan_that_cannot_be_run_is_refused_with_the_reason_on_the_interval() {
    let host = crate::jobs::host();
    let stage = |name: &str, tasks: u32, after: &[&str]| json!({ "name": name, "tasks": tasks, "after": after });
    let many: Vec<Value> = (0..1_001).map(|number| stage(&format!("s{number}"), 0, &[])).collect();
    for (stages, reason) in [
        (json!([stage("a", 1, &["b"]), stage("b", 1, &["a"])]), "stages of the plan wait for one another: a -> b -> a"),
        (json!([stage("a", 1, &["c"])]), "stage `a` waits for `c`, which is no stage of the plan"),
        (json!([stage("a", 1, &[]), stage("a", 1, &[])]), "the plan has two stages named `a`"),
        (json!([stage("a", 10_000_001, &[])]), "the plan has 10000001 tasks; an interval has at most 10000000"),
        (json!(many), "the plan has 1001 stages; an interval has at most 1000"),
    ] {
        let ended = host.api.run("misbehave", &json!({ "act": "graph", "stages": stages }), json!({}));
        assert_eq!((&ended["state"], &ended["total"]), (&json!("failed"), &json!(0)), "{ended}");
        assert_eq!(ended["reason"], format!("the plan failed (fatal): {reason}"));
    }
}

#[test]
fn a_checkpoint_has_its_limit() {
    let host = crate::jobs::host();
    assert_eq!(output(&host, json!({ "act": "save", "bytes": MIB }), json!({})), "ok");
    let refused = output(&host, json!({ "act": "save", "bytes": MIB + 1 }), json!({}));
    assert_eq!(
        refused["limit-exceeded"],
        "a checkpoint has at most 1048576 bytes, not 1048577 (checkpoint_limit_bytes)"
    );
}

#[test]
fn the_next_attempt_finds_what_the_last_one_saved() {
    let host = crate::jobs::host();
    for enable_recovery in [true, false] {
        let rest = json!({ "retry": { "backoff": "1ms" }, "enable_recovery": enable_recovery });
        assert_eq!(output(&host, json!({ "act": "save_and_fail" }), rest), "from the first attempt");
    }
}

#[test]
fn a_checkpoint_outlives_the_process_and_goes_with_its_task() {
    let signs = TempDir::new().unwrap();
    let builder = HostBuilder::new().flag("--allow-dir", format!("{}:rw", signs.path().display()));
    let host = builder.start();
    host.api.upload_plugin("misbehave");
    let grant = json!({ "path": signs.path(), "mount": "/signs", "access": "read-write" });
    let payload = json!({ "act": "resume", "directory": "/signs", "only": [1, 3] });
    let rest = json!({ "tasks": 5, "grants": { "directories": [grant] } });
    let interval = host.api.trigger(&host.api.manual_job("misbehave", &payload, rest));
    let has_saved = |index: u32| signs.path().join(format!("saved-{index}")).exists();
    wait_for("both tasks to save", || (has_saved(1) && has_saved(3)).then_some(()));
    host.kill();
    assert_eq!(builder.rows().number("select count(*) from checkpoints"), 2);

    let host = builder.start();
    let ended = host.api.ended(&interval);
    assert_eq!((&ended["state"], &ended["duplicates"]), (&json!("succeeded"), &json!(2)), "{ended}");
    for index in [1, 3] {
        let found = json!({ "found": format!("half way of {index}"), "attempt": 1 });
        assert_eq!(host.api.task(&interval, index)["output"], found, "a crash is no attempt");
    }
    host.stop();
    assert_eq!(builder.rows().number("select count(*) from checkpoints"), 0);
}

#[test]
fn events_have_their_limits() {
    let host = crate::jobs::host();
    let emit = |times: usize, name: &str, body: &str| {
        output(&host, json!({ "act": "emit", "times": times, "name": name, "body": body }), json!({}))
    };
    assert_eq!(emit(1_000, "tide", "1"), "ok");
    assert_eq!(emit(1_001, "tide", "1")["limit-exceeded"], "one call emits at most 1000 events");
    assert!(text(&emit(1, "tide", "high")["invalid"]).contains("the body of the event `tide` is not a JSON text"));
}

#[test]
fn a_task_that_alone_exceeds_the_quota_of_keys_fails_at_once() {
    let host = crate::jobs::host();
    let rest = json!({ "key_limit_bytes": 1_000, "retry": { "max_attempts": 5 } });
    let ended = host.api.run("misbehave", &json!({ "act": "fill", "bytes": 995 }), rest);
    assert_eq!((&ended["state"], &ended["failed"]), (&json!("failed"), &json!(1)), "{ended}");
    let task = host.api.task(&text(&ended["id"]), 0);
    assert_eq!((&task["failure"]["kind"], &task["attempts"]), (&json!("limit_exceeded"), &json!(1)), "{task}");
    let message = text(&task["failure"]["message"]);
    assert!(message.contains("would take 1001 bytes") && message.contains("take 1000 together"), "{message}");
}

#[test]
fn tasks_that_exceed_the_quota_of_keys_together_fail_by_themselves() {
    let builder = HostBuilder::new();
    let host = builder.start();
    host.api.upload_plugin("misbehave");
    // Each fits alone, two fit together; all have written before the first is recorded.
    let payload = json!({ "act": "fill", "bytes": 400, "ms": 300, "only": [0, 1, 2, 3] });
    let rest = json!({ "tasks": 20, "max_parallel": 20, "key_limit_bytes": 1_000, "retry": { "max_attempts": 5 } });
    let ended = host.api.run("misbehave", &payload, rest);
    assert_eq!((&ended["completed"], &ended["failed"]), (&json!(18), &json!(2)), "{ended}");
    let failed = host.api.get(&format!("/intervals/{}/tasks?state=failed", text(&ended["id"])));
    for task in failed["tasks"].as_array().unwrap() {
        assert_eq!((&task["failure"]["kind"], &task["attempts"]), (&json!("limit_exceeded"), &json!(1)), "{task}");
        assert!(task["index"].as_u64() < Some(4), "{task}");
    }
    host.stop();
    let rows = builder.rows();
    assert_eq!(rows.number("select count(*) from keys"), 2);
    assert_eq!(rows.number("select key_bytes from jobs"), 2 * 406);
}

#[test]
fn a_plan_that_exceeds_the_quota_of_keys_fails_for_that() {
    let host = crate::jobs::host();
    let ended = host.api.run(
        "misbehave",
        &json!({ "act": "fill_in_plan", "bytes": 1_000 }),
        json!({ "key_limit_bytes": 1_000, "retry": { "max_attempts": 5 } }),
    );
    let reason = text(&ended["reason"]);
    assert_eq!(ended["state"], "failed");
    assert!(reason.contains("the plan failed (limit_exceeded)") && reason.contains("1006 bytes"), "{reason}");
}

fn output(host: &Host, payload: Value, rest: Value) -> Value {
    let ended = host.api.run("misbehave", &payload, rest);
    assert_eq!(ended["state"], "succeeded", "{ended}");
    host.api.task(&text(&ended["id"]), 0)["output"].clone()
}
