//! Interval jobs fire by themselves, on their grid, and no firing is lost silently.

use latchwork_tests::{Api, HostBuilder, instant, text};
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[test]
fn an_interval_job_fires_on_its_grid_and_never_twice_for_one_instant() {
    let host = crate::jobs::host();
    let job = create(&host.api, "1s", json!({ "act": "succeed" }), json!({}));
    let created_at = instant(&host.api.get(&format!("/jobs/{job}"))["created_at"]);
    host.api.wait_for_interval_of(&job, |view| instant(&view["scheduled_at"]) >= created_at + 4_000);
    let intervals = host.api.intervals(&job);
    let instants: Vec<_> = intervals.iter().map(|view| instant(&view["scheduled_at"])).collect();
    for at in &instants {
        assert_eq!((at - created_at) % 1_000, 0, "{at} is not on the grid that begins at {created_at}");
    }
    assert_eq!(instants.iter().collect::<BTreeSet<_>>().len(), instants.len(), "{instants:?}");
    let first = intervals.last().unwrap();
    assert_eq!((&first["origin"], instant(&first["scheduled_at"])), (&json!("schedule"), created_at + 1_000));
    for view in &intervals {
        assert!(view["lateness_ms"].as_i64().unwrap() >= 0, "{view}");
    }
    host.api.wait_for_interval_of(&job, |view| view["state"] == "succeeded" && view["completed"] == 1);
}

#[test]
fn a_firing_while_an_interval_is_open_is_recorded_as_skipped_with_the_reason() {
    let host = crate::jobs::host();
    let job = create(&host.api, "1s", json!({ "act": "sleep", "ms": 3_600_000 }), json!({}));
    let skipped = host.api.wait_for_interval_of(&job, |view| view["state"] == "skipped");
    let open = host.api.wait_for_interval_of(&job, |view| view["state"] == "running");
    let reason = text(&skipped["reason"]);
    assert!(reason.contains(&format!("found interval {} of the job still open", text(&open["id"]))), "{reason}");
    assert!(instant(&skipped["scheduled_at"]) > instant(&open["scheduled_at"]), "{skipped}");
    assert_eq!((&skipped["started_at"], &skipped["total"]), (&Value::Null, &json!(0)), "{skipped}");
    let intervals = host.api.intervals(&job);
    assert_eq!(intervals.iter().filter(|view| view["state"] == "running").count(), 1, "{intervals:?}");
}

#[test]
fn firings_that_were_due_while_no_host_ran_are_one_record_and_one_run() {
    let builder = HostBuilder::new();
    let host = builder.start();
    host.api.upload_plugin("misbehave");
    let job = create(&host.api, "1h", json!({ "act": "succeed" }), json!({}));
    let due_at = instant(&host.api.get(&format!("/jobs/{job}"))["next_fire_at"]);
    host.kill();

    // As if the host had been away: the job was due three and a half hours ago, and at each full hour since.
    const HOUR: i64 = 3_600_000;
    const AWAY: &str = "update jobs set next_fire_at = next_fire_at - 16200000, \
        next_scheduled_at = next_scheduled_at - 16200000, anchor_at = anchor_at - 16200000";
    builder.rows().change(AWAY);
    let first_at = due_at - 4 * HOUR - HOUR / 2;
    let host = builder.start();
    let run = host.api.wait_for_interval_of(&job, |view| view["state"] == "succeeded");
    assert_eq!(instant(&run["scheduled_at"]), first_at + 3 * HOUR, "the latest that was due: {run}");
    assert!(run["lateness_ms"].as_i64().unwrap() >= HOUR / 2, "{run}");

    let intervals = host.api.intervals(&job);
    let coalesced = intervals.iter().find(|view| view["state"] == "coalesced").expect("a record");
    assert_eq!(instant(&coalesced["scheduled_at"]), first_at);
    let reason = text(&coalesced["reason"]);
    assert!(reason.starts_with("3 firings from ") && reason.contains(&text(&run["scheduled_at"])), "{reason}");
    assert_eq!(intervals.len(), 2, "one record and one run: {intervals:?}");
    let next = &host.api.get(&format!("/jobs/{job}"))["next_fire_at"];
    assert_eq!(instant(next), first_at + 4 * HOUR, "the grid has not shifted");
}

#[test]
fn firings_that_were_due_while_no_host_ran_run_one_after_another_where_all_are_wanted() {
    let builder = HostBuilder::new();
    let host = builder.start();
    host.api.upload_plugin("misbehave");
    let rules = json!({ "catch_up": "all", "catch_up_max": 2 });
    let job = create(&host.api, "1h", json!({ "act": "succeed" }), rules);
    let due_at = instant(&host.api.get(&format!("/jobs/{job}"))["next_fire_at"]);
    host.kill();

    const HOUR: i64 = 3_600_000;
    const AWAY: &str = "update jobs set next_fire_at = next_fire_at - 16200000, \
        next_scheduled_at = next_scheduled_at - 16200000, anchor_at = anchor_at - 16200000";
    builder.rows().change(AWAY);
    let first_at = due_at - 4 * HOUR - HOUR / 2;
    let host = builder.start();
    let ran = |at: i64| move |view: &Value| view["state"] == "succeeded" && instant(&view["scheduled_at"]) == at;
    let last = host.api.wait_for_interval_of(&job, ran(first_at + 3 * HOUR));
    let before = host.api.wait_for_interval_of(&job, ran(first_at + 2 * HOUR));
    assert!(instant(&before["finished_at"]) <= instant(&last["started_at"]), "in turn: {before} {last}");
    let missed = host.api.wait_for_interval_of(&job, |view| view["state"] == "missed");
    let reason = text(&missed["reason"]);
    assert!(reason.starts_with("2 firings from ") && reason.contains("catch_up_max, 2,"), "{reason}");
    assert_eq!(host.api.intervals(&job).len(), 3);
}

#[test]
fn a_firing_that_finds_an_interval_open_waits_for_its_end_and_the_job_says_that_it_is_slow() {
    let host = crate::jobs::host();
    let job = create(&host.api, "1s", json!({ "act": "sleep", "ms": 1_700 }), json!({ "overlap": "queue" }));
    let waiting = host.api.wait_for_interval_of(&job, |view| {
        view["state"] == "pending" && view["reason"].as_str().is_some_and(|reason| reason.starts_with("waits for"))
    });
    let ahead = text(&waiting["reason"]).split_whitespace().last().map(str::to_owned).unwrap();
    let shown = host.api.get(&format!("/jobs/{job}"));
    assert!(text(&shown["warning"]).contains("outlasts its period of 1s"), "{shown}");
    assert_ne!(shown["current_interval_id"], waiting["id"], "{shown}");
    let ran = host.api.ended(&text(&waiting["id"]));
    assert_eq!(ran["state"], "succeeded", "{ran}");
    let ahead = host.api.interval(&ahead);
    assert!(instant(&ahead["finished_at"]) <= instant(&ran["started_at"]), "{ahead} {ran}");
    assert!(ran["lateness_ms"].as_i64().unwrap() < 1_000, "it was fired in time: {ran}");
}

#[test]
fn a_firing_that_cancels_takes_the_place_of_the_running_interval() {
    let host = crate::jobs::host();
    let rules = json!({ "overlap": "cancel_running" });
    let job = create(&host.api, "2s", json!({ "act": "sleep", "ms": 3_600_000 }), rules);
    let running = host.api.wait_for_interval_of(&job, |view| view["state"] == "running");
    let cancelled = host.api.ended(&text(&running["id"]));
    assert_eq!(cancelled["state"], "cancelled", "{cancelled}");
    assert!(text(&cancelled["reason"]).contains("overlap is cancel_running"), "{cancelled}");
    host.api.wait_for_interval_of(&job, |view| view["state"] == "running" && view["id"] != running["id"]);
    assert!(host.api.intervals(&job).iter().filter(|view| view["state"] == "running").count() <= 1);
}

fn create(api: &Api, interval: &str, payload: Value, rules: Value) -> String {
    let mut job = json!({
        "name": "fires", "plugin": "misbehave", "type": "interval", "interval": interval, "payload": payload,
        "timeout": "2h",
    });
    job.as_object_mut().unwrap().extend(rules.as_object().unwrap().clone());
    api.create_job(&job)
}
