//! Intervals that cannot be resumed: each ends in one run from the start, with a reason, and never in a loop.

use crate::recovery::{World, fallback_of};
use latchwork_tests::{Host, text, wait_for};
use serde_json::{Value, json};

/// Damages what a killed host left of an interval, starts it again, and returns the reason for which it was abandoned.
fn reason_after(damage: &'static str) -> String {
    let world = World::new();
    let (killed, job, interval) = world.killed_in_the_middle(json!({}));
    world.builder.rows().change(damage);
    world.witness.forget();
    let host = world.restart(killed);
    // Among the job's others: by itself it is shown with its stages, which may be what is damaged.
    let has_ended = |view: &Value| view["id"] == *interval && view["finished_at"].is_string();
    let abandoned = host.api().wait_for_interval_of(&job, has_ended);
    assert_eq!(abandoned["state"], "abandoned", "{damage}: {abandoned}");
    let replacement = host.api().ended(&text(&fallback_of(&host, &job, &interval)["id"]));
    assert_eq!((&replacement["state"], &replacement["completed"]), (&json!("succeeded"), &json!(200)), "{damage}");
    assert_eq!(host.api().intervals(&job).len(), 2, "one replacement, not more");
    assert_eq!(world.witness.call_count(), 200, "{damage}: everything runs again");
    assert_eq!(warning(&host.host, &job), Value::Null, "the fallback has done the work");
    text(&abandoned["reason"])
}

fn warning(host: &Host, job: &str) -> Value {
    host.api.get(&format!("/jobs/{job}"))["warning"].clone()
}

#[test]
fn a_stage_graph_that_no_longer_matches_ends_in_the_fallback_which_says_what_is_wrong() {
    let cases = [
        ("update segments set stage = 7 where number = 3", "segment 3 belongs to stage number 7"),
        ("delete from segments", "do not cover its tasks 0..200"),
        ("update stages set waits_for = 'nothing'", "waits_for cannot be read"),
    ];
    for (damage, says) in cases {
        let reason = reason_after(damage);
        assert!(reason.contains(says) && reason.contains("runs again from the start"), "{damage}: {reason}");
    }
}

#[test]
fn an_interval_whose_version_is_damaged_is_abandoned_and_the_next_upload_mends_it() {
    let world = World::new();
    let (killed, job, interval) = world.killed_in_the_middle(json!({}));
    world.builder.rows().change("update components set wasm = zeroblob(length(wasm))");
    let host = world.restart(killed);
    let abandoned = host.api().ended(&interval);
    assert_eq!(abandoned["state"], "abandoned", "{abandoned}");
    assert!(text(&abandoned["reason"]).contains("is damaged"), "{abandoned}");
    let replacement = host.api().ended(&text(&fallback_of(&host, &job, &interval)["id"]));
    assert_eq!(replacement["state"], "abandoned", "there is no other version: {replacement}");
    assert_eq!(host.api().intervals(&job).len(), 2, "one replacement, not more");
    let warning = text(&warning(&host.host, &job));
    assert!(warning.contains(&interval) && warning.contains("is damaged"), "{warning}");
    host.api().upload_plugin("misbehave");
    world.witness.forget();
    assert_eq!(host.api().ended(&host.api().trigger(&job))["state"], "succeeded");
}

#[test]
fn recoveries_that_lead_nowhere_are_used_up_and_a_fallback_that_fails_too_warns_on_the_job() {
    let world = World::new().with("MAX_RECOVERY_ATTEMPTS", "2");
    let builder = &world.builder;
    let mut host = builder.start();
    host.api.upload_plugin("misbehave");
    // No task ever ends, and each crash meets another one: none is poison, and nothing is settled.
    let mut payload = world.witness.payload(0);
    payload["stuck"] = (0..20).collect();
    let job = host.api.create_job(&json!({
        "name": "stuck", "plugin": "misbehave", "type": "interval", "interval": "2h", "payload": payload,
        "tasks": 20, "max_parallel": 1, "timeout": "1h", "grants": world.witness.grants() }));
    let interval = host.api.trigger(&job);
    for calls in 1..=3 {
        wait_for("a task to begin", || (world.witness.call_count() == calls).then_some(()));
        assert_eq!(world.witness.last_attempt(), 1, "no crash spends an attempt");
        host.kill();
        if calls == 3 {
            world.witness.forget();
        }
        host = builder.start();
    }
    let abandoned = host.api.ended(&interval);
    assert_eq!((&abandoned["state"], &abandoned["recovery_attempts"]), (&json!("abandoned"), &json!(2)), "{abandoned}");
    assert!(text(&abandoned["reason"]).contains("MAX_RECOVERY_ATTEMPTS"), "{abandoned}");
    let fallback = host.api.wait_for_interval_of(&job, |view| view["replaces"] == *interval);
    assert_eq!(fallback["origin"], "fallback", "{fallback}");
    assert_eq!(warning(&host, &job), Value::Null, "the fallback still runs");

    wait_for("the fallback to begin", || (world.witness.call_count() == 1).then_some(()));
    host.kill();
    let host = builder.start();
    let fallback = host.api.ended(&text(&fallback["id"]));
    assert_eq!(fallback["state"], "abandoned", "{fallback}");
    assert!(text(&fallback["reason"]).contains("not replaced again"), "{fallback}");
    assert_eq!(host.api.intervals(&job).len(), 2, "nothing takes its place");
    let shown = host.api.get(&format!("/jobs/{job}"));
    let warning = text(&shown["warning"]);
    assert!(warning.contains(&interval) && warning.contains("MAX_RECOVERY_ATTEMPTS"), "{warning}");
    assert!(warning.contains("trigger the job"), "it says what to do: {warning}");
    assert_eq!((&shown["status"], shown["next_fire_at"].is_string()), (&json!("active"), true), "it stays scheduled");
}

#[test]
fn a_job_that_wants_recovery_gets_it_where_the_default_is_off() {
    let world = World::new().with("DEFAULT_RECOVERY_ENABLED", "false");
    let (killed, _, interval) =
        world.killed_in_the_middle(json!({ "enable_recovery": true, "retry": { "max_attempts": 1 } }));
    let host = world.restart(killed);
    let ended = host.api().ended(&interval);
    assert_eq!((&ended["state"], &ended["recovery_attempts"]), (&json!("succeeded"), &json!(1)), "{ended}");
    assert_eq!(world.witness.last_attempt(), 1, "the crash has spent no attempt");
}
