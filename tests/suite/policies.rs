//! A job's policies on the real host.

use latchwork_tests::{Api, HostBuilder, Witness, instant, plugin, text};
use serde_json::json;

#[test]
fn an_interval_that_takes_too_long_is_ended_also_when_its_host_was_killed_and_keeps_what_has_completed() {
    let witness = Witness::new();
    let builder = HostBuilder::new().flag("--allow-dir", witness.allowed());
    let host = builder.start();
    host.api.upload_plugin("misbehave");
    let mut payload = witness.payload(0);
    payload["stuck"] = json!([7]);
    let policy = json!({ "tasks": 8, "timeout": "1h", "interval_timeout": "4s", "grants": witness.grants() });
    let interval = host.api.trigger(&host.api.manual_job("misbehave", &payload, policy));
    let view = host.api.wait_for_interval(&interval, |view| view["completed"] == 7);
    host.kill();
    let host = builder.start();
    let ended = host.api.ended(&interval);
    assert_eq!((&ended["state"], &ended["completed"]), (&json!("failed"), &json!(7)), "{ended}");
    assert_eq!(text(&ended["reason"]), "took longer than interval_timeout (4s)");
    let took = instant(&ended["finished_at"]) - instant(&view["started_at"]);
    assert!((4_000..8_000).contains(&took), "the deadline stands: {took} ms");
    host.api.assert_goes_on();
}

#[test]
fn an_interval_with_too_many_failures_is_cut_short_and_says_so() {
    let host = HostBuilder::new().start();
    host.api.upload_plugin("misbehave");
    let policy = json!({ "tasks": 1_000, "max_parallel": 1, "max_failed": 10 });
    let ended = host.api.run("misbehave", &json!({ "act": "fatal" }), policy);
    assert_eq!((&ended["state"], &ended["failed"]), (&json!("failed"), &json!(11)), "{ended}");
    assert_eq!(text(&ended["reason"]), "cut short: 11 of 1000 tasks failed and max_failed is 10");
    let policy = json!({ "tasks": 100, "max_failed": "11%" });
    let ended = host.api.run("misbehave", &json!({ "act": "fatal", "only": [3, 50, 99] }), policy);
    assert_eq!((&ended["completed"], &ended["failed"]), (&json!(97), &json!(3)), "the others run: {ended}");
}

#[test]
fn a_pending_retry_keeps_its_time_and_its_attempts_when_the_host_is_killed() {
    let builder = HostBuilder::new();
    let host = builder.start();
    host.api.upload_plugin("misbehave");
    let policy = json!({ "tasks": 4, "retry": { "max_attempts": 3, "backoff": "4s", "jitter": false } });
    let payload = json!({ "act": "retryable", "until_attempt": 2, "only": [1] });
    let interval = host.api.trigger(&host.api.manual_job("misbehave", &payload, policy));
    let fatal = host.api.run("misbehave", &json!({ "act": "fatal" }), json!({ "retry": { "max_attempts": 9 } }));
    let task = host.api.task(&text(&fatal["id"]), 0);
    assert_eq!((&fatal["state"], &task["attempts"]), (&json!("failed"), &json!(1)), "a fatal error is not retried");
    host.api.wait_for_interval(&interval, |view| view["completed"] == 3);
    let pending = |api: &Api| {
        let task = api.task(&interval, 1);
        (task["attempts"].clone(), instant(&task["retry_at"]))
    };
    let before = pending(&host.api);
    assert_eq!(before.0, 1);
    host.kill();
    let host = builder.start();
    assert_eq!(pending(&host.api), before);
    let ended = host.api.ended(&interval);
    assert_eq!((&ended["state"], &ended["completed"]), (&json!("succeeded"), &json!(4)), "{ended}");
    assert!(instant(&ended["finished_at"]) >= before.1, "not before its time");
}

#[test]
fn a_new_version_restarts_intervals_whose_job_wants_that_and_leaves_the_others_on_theirs() {
    let host = HostBuilder::new().start();
    host.api.upload_plugin("misbehave");
    let job = |on_upgrade: &str| {
        let policy = json!({ "tasks": 300, "max_parallel": 1, "on_upgrade": on_upgrade });
        host.api.manual_job("misbehave", &json!({ "act": "sleep", "ms": 10 }), policy)
    };
    let (finishes, restarts) = (job("finish"), job("restart"));
    let [old, replaced] = [&finishes, &restarts].map(|job| host.api.trigger(job));
    for interval in [&old, &replaced] {
        host.api.wait_for_interval(interval, |view| view["completed"].as_u64() > Some(3));
    }
    host.api.upload_plugin("misbehave");
    assert_eq!(host.api.interval(&replaced)["state"], "running", "the same version again restarts nothing");

    let mut newer = plugin("misbehave");
    // An empty section of its own gives it another digest.
    newer.extend([0, 2, 1, b'x']);
    let (status, version) = host.api.upload("misbehave", &newer);
    assert_eq!(status, 201, "{version}");
    let cancelled = host.api.interval(&replaced);
    assert_eq!(cancelled["state"], "cancelled", "{cancelled}");
    assert_eq!(text(&cancelled["reason"]), format!("restarted on version {}", text(&version["digest"])));
    let restarted = host.api.wait_for_interval_of(&restarts, |view| view["replaces"] == *replaced);
    assert_eq!((&restarted["origin"], &restarted["digest"]), (&json!("upgrade"), &version["digest"]), "{restarted}");
    let restarted = host.api.ended(&text(&restarted["id"]));
    assert_eq!((&restarted["state"], &restarted["completed"]), (&json!("succeeded"), &json!(300)), "{restarted}");
    let finished = host.api.ended(&old);
    assert_eq!((&finished["state"], &finished["completed"]), (&json!("succeeded"), &json!(300)), "{finished}");
    assert_ne!(finished["digest"], version["digest"]);
    assert_eq!(host.api.intervals(&finishes).len(), 1);
}
