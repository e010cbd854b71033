//! Jobs that fire at the end of others.

use latchwork_tests::text;
use serde_json::json;

#[test]
fn the_end_of_an_interval_fires_the_job_that_waits_for_it_at_once() {
    let host = crate::jobs::host();
    let ok = json!({ "act": "succeed" });
    let first = host.api.manual_job("misbehave", &ok, json!({ "name": "first" }));
    let after = |on: &str| json!({ "after": { "job": first, "on": on } });
    let on_success = host.api.manual_job("misbehave", &ok, after("success"));
    let on_failure = host.api.manual_job("misbehave", &ok, after("failure"));
    let last = host.api.manual_job("misbehave", &ok, json!({ "after": { "job": on_success, "on": "any" } }));

    let cause = host.api.trigger(&first);
    let fired = host.api.wait_for_interval_of(&on_success, |view| view["state"] == "succeeded");
    assert_eq!((&fired["origin"], &fired["caused_by"]), (&json!("chain"), &json!(cause)), "{fired}");
    let next = host.api.wait_for_interval_of(&last, |view| view["state"] == "succeeded");
    assert_eq!(next["caused_by"], fired["id"]);
    assert!(host.api.intervals(&on_failure).is_empty());

    let (status, problem) = host.api.send("DELETE", &format!("/jobs/{first}"), None);
    assert_eq!((status, &problem["code"]), (409, &json!("job_awaited")), "{problem}");
    assert!(text(&problem["detail"]).contains(&on_success), "{problem}");
    let nobody = json!({ "job": "0190b5f0-0000-7000-8000-000000000000", "on": "any" });
    let waiting = json!({ "name": "w", "plugin": "misbehave", "type": "manual", "after": nobody });
    let (status, problem) = host.api.send("POST", "/jobs", Some(&waiting));
    assert_eq!((status, &problem["code"]), (422, &json!("invalid_field")), "{problem}");
    assert!(text(&problem["detail"]).starts_with("`after.job`: no job has the id"), "{problem}");
    let circle = json!({ "after": { "job": last, "on": "success" } });
    let (status, problem) = host.api.send("PATCH", &format!("/jobs/{first}"), Some(&circle));
    assert_eq!((status, &problem["code"]), (422, &json!("invalid_field")), "{problem}");
    assert!(text(&problem["detail"]).contains("first -> misbehave -> misbehave -> first"), "{problem}");
}
