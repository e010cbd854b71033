//! `PATCH /jobs/{id}`, and the command that sends it.

use crate::operations::told;
use latchwork_tests::{Host, instant, text};
use serde_json::{Value, json};

fn patch(host: &Host, job: &str, change: Value) -> (u16, Value) {
    host.api.send("PATCH", &format!("/jobs/{job}"), Some(&change))
}

fn changed(host: &Host, job: &str, change: Value) -> Value {
    let (status, view) = patch(host, job, change);
    assert_eq!(status, 200, "{view}");
    view
}

/// Checks that two views of a job differ in nothing but the named fields.
fn assert_differs_in(before: &Value, after: &Value, fields: &[&str]) {
    let (before, after) = (before.as_object().unwrap(), after.as_object().unwrap());
    let differing: Vec<_> = before.keys().filter(|name| before[*name] != after[*name]).collect();
    assert_eq!(differing, fields, "{after:?}");
}

#[test]
fn a_change_touches_what_it_names_and_leaves_the_rest() {
    let host = crate::jobs::host();
    let job = host.api.create_job(&json!({
        "name": "all", "plugin": "misbehave", "type": "interval", "interval": "1h", "tasks": 3,
        "payload": { "act": "succeed", "n": 12345678901234567890_u64, "x": { "a": 1 } }, "overlap": "queue",
        "queue_max": 4, "catch_up": "all", "catch_up_max": 9, "catch_up_within": "3h", "jitter": "2s",
        "start_deadline": "5m", "pause_after_failures": 7, "retention": { "intervals": 5 }, "on_upgrade": "restart",
        "interval_timeout": "2h", "max_failed": "7%", "rate_limit": 2.5, "priority": -4, "key_limit_bytes": 1000,
        "retry": { "max_attempts": 9, "backoff": "3s" }, "workspace_id": "team", "enable_recovery": false,
    }));
    let before = host.api.get(&format!("/jobs/{job}"));
    let after = changed(&host, &job, json!({ "name": "renamed" }));
    assert_differs_in(&before, &after, &["name", "updated_at"]);
    let after = changed(
        &host,
        &job,
        json!({
            "name": "all", "retry": { "backoff": "4s" }, "payload": { "x": { "b": 2 }, "act": null }, "max_failed": null,
        }),
    );
    assert_differs_in(&before, &after, &["max_failed", "payload", "retry", "updated_at"]);
    assert_eq!(after["payload"], json!({ "n": 12345678901234567890_u64, "x": { "a": 1, "b": 2 } }));
    assert_eq!((&after["retry"]["max_attempts"], &after["retry"]["backoff"]), (&json!(9), &json!("4s")));
    let after = changed(&host, &job, json!({ "overlap": "skip", "catch_up": "latest" }));
    assert_eq!(
        (&after["queue_max"], &after["catch_up_max"]),
        (&Value::Null, &Value::Null),
        "details go with their choice"
    );
}

#[test]
fn the_grid_keeps_its_beginning_unless_the_schedule_changes() {
    let host = crate::jobs::host();
    let job = host.api.create_job(&json!({
        "name": "grid", "plugin": "misbehave", "type": "interval", "interval": "1h", "payload": { "act": "succeed" },
    }));
    let before = host.api.get(&format!("/jobs/{job}"));
    let after = changed(&host, &job, json!({ "tasks": 2, "interval": "1h" }));
    assert_eq!(after["next_fire_at"], before["next_fire_at"]);
    let after = changed(&host, &job, json!({ "interval": "30m" }));
    assert_eq!(instant(&after["next_fire_at"]) - instant(&after["updated_at"]), 30 * 60_000, "{after}");
    let after = changed(&host, &job, json!({ "type": "cron", "cron": "30 3 * * *" }));
    assert_eq!((&after["type"], &after["interval"], &after["timezone"]), (&json!("cron"), &Value::Null, &json!("UTC")));
    assert!(text(&after["next_fire_at"]).ends_with("T03:30:00.000Z"), "{after}");
    let after = told(&host, &["job", "edit", "grid", "--interval", "10s", "--max-parallel", "2", "--unset", "tasks"]);
    assert_eq!((&after["interval"], &after["max_parallel"], &after["tasks"]), (&json!("10s"), &json!(2), &Value::Null));
    assert_eq!(after["created_at"], before["created_at"]);
}

#[test]
fn a_job_for_one_instant_can_be_renamed_when_the_instant_has_passed() {
    let host = crate::jobs::host();
    let at = (chrono_now_ms(&host) + 1_500).to_string();
    let at = jiff::Timestamp::from_millisecond(at.parse().unwrap()).unwrap().to_string();
    let job = host.api.create_job(&json!({
        "name": "once", "plugin": "misbehave", "type": "once", "at": at, "payload": { "act": "succeed" },
    }));
    host.api.wait_for_interval_of(&job, |view| view["state"] == "succeeded");
    assert_eq!(changed(&host, &job, json!({ "name": "was once" }))["name"], "was once");
    let (status, problem) = patch(&host, &job, json!({ "at": "2001-01-01T00:00:00Z" }));
    assert_eq!((status, &problem["code"]), (422, &json!("invalid_field")), "{problem}");
}

/// The host's time, from a job that it has just created.
fn chrono_now_ms(host: &Host) -> i64 {
    let job = host.api.manual_job("misbehave", &Value::Null, json!({}));
    instant(&host.api.get(&format!("/jobs/{job}"))["created_at"])
}

#[test]
fn a_change_that_no_job_could_be_created_with_is_refused_by_the_fields_name() {
    let host = crate::jobs::host();
    let job = host.api.manual_job("misbehave", &json!({ "act": "succeed" }), json!({}));
    let before = host.api.get(&format!("/jobs/{job}"));
    let nobody = "0190b5f0-0000-7000-8000-000000000000";
    let cases = [
        ("patience", json!({ "patience": 3 })),
        ("patience", json!({ "patience": null })),
        ("status", json!({ "status": "paused" })),
        ("name", json!({ "name": null })),
        ("interval", json!({ "type": "interval" })),
        ("interval", json!({ "interval": "30s" })),
        ("tasks", json!({ "tasks": -1 })),
        ("priority", json!({ "priority": 1_000 })),
        ("after.job", json!({ "after": { "job": nobody, "on": "any" } })),
        ("after.job", json!({ "after": { "job": job, "on": "any" } })),
        ("body", json!([1])),
    ];
    for (field, change) in cases {
        let (status, problem) = patch(&host, &job, change.clone());
        assert_eq!((status, &problem["code"]), (422, &json!("invalid_field")), "{change}: {problem}");
        assert!(text(&problem["detail"]).contains(field), "{field}: {problem}");
    }
    let (status, problem) = patch(&host, &job, json!({ "plugin": "nobody" }));
    assert_eq!((status, &problem["code"]), (422, &json!("unknown_plugin")), "{problem}");
    assert_eq!(patch(&host, nobody, json!({})).0, 404);
    assert_eq!(host.api.get(&format!("/jobs/{job}")), before, "nothing of it is kept");
}
