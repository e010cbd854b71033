//! A finished interval whose failed tasks run again.

use crate::operations::told;
use latchwork_tests::{HostBuilder, Witness, text};
use serde_json::{Value, json};
use std::path::PathBuf;

/// The fencing token of the first attempt at a task of a segment that was claimed once.
const FIRST_TOKEN: u64 = 1 << 32 | 1;

/// Lets the first attempt at a task fail: the witness finds a file where it wants to leave its own.
fn block(witness: &Witness, index: u32) {
    let directory = PathBuf::from(text(&witness.grants()["directories"][0]["path"]));
    std::fs::write(directory.join(format!("{index}-1-{FIRST_TOKEN}")), "").unwrap();
}

#[test]
fn a_retry_calls_the_failed_tasks_alone_on_the_version_that_the_interval_started_with() {
    let witness = Witness::new();
    let builder = HostBuilder::new().flag("--allow-dir", witness.allowed());
    let host = builder.start();
    host.api.upload_plugin("misbehave");
    for index in [2, 5] {
        block(&witness, index);
    }
    let rest = json!({ "tasks": 8, "grants": witness.grants() });
    let job = host.api.manual_job("misbehave", &witness.payload(0), rest);
    let interval = host.api.trigger(&job);
    let failed = host.api.ended(&interval);
    assert_eq!((&failed["state"], &failed["completed"], &failed["failed"]), (&json!("failed"), &json!(6), &json!(2)));

    // A newer version of the plugin changes nothing for what has begun.
    assert!(host.api.upload("misbehave", &latchwork_tests::plugin("hello")).0 < 300);
    let (status, reopened) = host.api.send("POST", &format!("/intervals/{interval}/retry"), None);
    assert_eq!((status, &reopened["reopened"]), (202, &json!(1)), "{reopened}");
    let ended = host.api.ended(&interval);
    assert_eq!((&ended["state"], &ended["completed"], &ended["failed"]), (&json!("succeeded"), &json!(8), &json!(0)));
    assert_eq!((&ended["digest"], &ended["duplicates"]), (&failed["digest"], &json!(0)), "{ended}");
    let calls = witness.calls();
    let expected = (0..8).map(|index| (index, if [2, 5].contains(&index) { 2 } else { 1 })).collect();
    assert_eq!(calls, expected, "the file that was in the way, and one call");
    assert_eq!(host.api.get(&format!("/jobs/{job}"))["current_interval_id"], Value::Null);

    let (status, problem) = host.api.send("POST", &format!("/intervals/{interval}/retry"), None);
    assert_eq!((status, &problem["code"]), (409, &json!("nothing_failed")), "{problem}");
}

#[test]
fn a_cancelled_interval_goes_on_by_a_retry_and_cancelling_again_and_again_does_not_hurt_the_host() {
    let witness = Witness::new();
    let host = HostBuilder::new().flag("--allow-dir", witness.allowed()).start();
    host.api.upload_plugin("misbehave");
    let rest = json!({ "tasks": 60, "max_parallel": 4, "grants": witness.grants() });
    let job = host.api.manual_job("misbehave", &witness.payload(20), rest);
    let interval = host.api.trigger(&job);
    for round in 1_u64..=5 {
        host.api.wait_for_interval(&interval, |view| view["completed"].as_u64() >= Some(round * 6));
        let (status, problem) = host.api.send("POST", &format!("/intervals/{interval}/retry"), None);
        assert_eq!((status, &problem["code"]), (409, &json!("interval_open")), "{problem}");
        let cancelled = told(&host, &["interval", "cancel", &interval]);
        assert_eq!(cancelled["state"], "cancelled", "{cancelled}");
        // At once: the host may not have noticed the end yet.
        let reopened = told(&host, &["interval", "retry", &interval]);
        assert_eq!((&reopened["state"], &reopened["reopened"]), (&json!("running"), &json!(round)), "{reopened}");
    }
    let ended = host.api.ended(&interval);
    assert_eq!((&ended["state"], &ended["completed"]), (&json!("succeeded"), &json!(60)), "{ended}");
    assert_eq!(witness.calls().len(), 60);
    let twice = witness.calls().values().filter(|calls| **calls > 1).count();
    assert!(twice <= 5 * 4, "only what was in flight is called again: {:?}", witness.calls());
    assert!(!host.log().contains("Another host has taken over"), "{}", host.log());
}

#[test]
fn a_retry_survives_a_crash_of_the_host() {
    let witness = Witness::new();
    let builder = HostBuilder::new().flag("--allow-dir", witness.allowed());
    let host = builder.start();
    host.api.upload_plugin("misbehave");
    block(&witness, 1);
    let rest = json!({ "tasks": 3, "grants": witness.grants(), "timeout": "2h" });
    let payload = json!({ "act": "witness", "directory": "/witness", "only": [1], "stuck": [1] });
    let interval = host.api.trigger(&host.api.manual_job("misbehave", &payload, rest));
    assert_eq!(host.api.ended(&interval)["state"], "failed");
    host.api.send("POST", &format!("/intervals/{interval}/retry"), None);
    host.api.wait_for_interval(&interval, |_| witness.call_count() == 2);
    host.kill();
    let host = builder.start();
    let view = host.api.wait_for_interval(&interval, |_| witness.call_count() == 3);
    assert_eq!((&view["state"], &view["completed"], &view["duplicates"]), (&json!("running"), &json!(2), &json!(1)));
}
