//! A job while one of its intervals runs: what it shows, and how it is removed.

use crate::jobs::host;
use latchwork_tests::{HostBuilder, text, wait_for};
use serde_json::{Value, json};

#[test]
fn a_job_shows_its_running_interval_and_how_far_it_is() {
    let host = host();
    let payload = json!({ "act": "sleep", "ms": 600_000, "only": [2] });
    let job = host.api.manual_job("misbehave", &payload, json!({ "tasks": 5, "timeout": "1h" }));
    let interval = host.api.trigger(&job);
    let progress = json!({ "total": 5, "completed": 4, "failed": 0, "running": 1 });
    let shown = wait_for("the job's progress", || {
        Some(host.api.get(&format!("/jobs/{job}"))).filter(|job| job["interval_progress"] == progress)
    });
    assert_eq!(shown["current_interval_id"], json!(interval));
    assert!(shown["interval_started_at"].is_string(), "{shown}");
    let view = host.api.interval(&interval);
    assert_eq!((&view["state"], &view["completed_indices"]), (&json!("running"), &json!("0-1,3-4")), "{view}");
    let running = host.api.get(&format!("/intervals/{interval}/tasks?state=running"));
    assert_eq!(running["tasks"].as_array().unwrap().len(), 1, "{running}");
    assert_eq!(running["tasks"][0]["index"], 2, "{running}");
}

#[test]
fn a_job_whose_interval_has_ended_shows_none() {
    let host = host();
    let job = host.api.manual_job("misbehave", &json!({ "act": "succeed" }), json!({}));
    host.api.ended(&host.api.trigger(&job));
    let shown = host.api.get(&format!("/jobs/{job}"));
    assert_eq!((&shown["current_interval_id"], &shown["interval_progress"]), (&Value::Null, &Value::Null), "{shown}");
}

#[test]
fn deleting_a_job_cancels_its_endless_interval_and_the_host_runs_others() {
    let host = host();
    let rest = json!({ "tasks": 4, "max_parallel": 2, "timeout": "1h" });
    let job = host.api.manual_job("misbehave", &json!({ "act": "loop" }), rest);
    let interval = host.api.trigger(&job);
    host.api.wait_for_interval(&interval, |view| view["running"] == 2);
    assert_eq!(host.api.send("DELETE", &format!("/jobs/{job}"), None).0, 204);
    let cancelled = host.api.interval(&interval);
    assert_eq!(cancelled["state"], "cancelled", "{cancelled}");
    assert!(text(&cancelled["reason"]).contains("deleted"), "{cancelled}");
    assert_eq!(host.api.send("GET", &format!("/jobs/{job}"), None).0, 404);
    assert_eq!(host.api.send("DELETE", &format!("/jobs/{job}"), None).0, 404);
    host.api.assert_goes_on();
    assert_eq!(host.api.interval(&interval)["completed"], 0);
}

/// A host runs at most 1,024 calls at a time, so if those of a cancelled interval were not dropped, no other could begin.
#[test]
fn the_running_tasks_of_a_deleted_job_are_dropped_where_they_are() {
    // As many as there can be.
    let host = HostBuilder::new().flag("--job-lanes-max", 1_024).flag("--workspace-lanes-max", 1_024).start();
    host.api.upload_plugin("misbehave");
    let rest = json!({ "tasks": 1_024, "max_parallel": 1_024, "timeout": "1h" });
    let job = host.api.manual_job("misbehave", &json!({ "act": "sleep", "ms": 3_600_000 }), rest);
    let interval = host.api.trigger(&job);
    host.api.wait_for_interval(&interval, |view| view["running"] == 1_024);
    assert_eq!(host.api.send("DELETE", &format!("/jobs/{job}"), None).0, 204);
    host.api.assert_goes_on();
}
