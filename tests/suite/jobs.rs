//! What a job can be, what is refused by field, and how a job is removed while it runs.

use latchwork_tests::{Host, HostBuilder, instant, text};
use serde_json::{Value, json};

#[test]
fn a_created_job_answers_201_with_the_whole_job_and_its_place() {
    let host = host();
    let body = json!({
        "name": "audit", "plugin": "misbehave", "type": "manual", "payload": { "act": "succeed", "n": [1, 2.50] },
        "tasks": 7, "max_parallel": 3, "timeout": "90s", "memory_limit_bytes": 67_108_864, "enable_recovery": false,
        "workspace_id": "archive",
        "retry": { "max_attempts": 5, "backoff": "2s", "factor": 3.0, "max_backoff": "1m", "jitter": false },
    });
    let answer = host.api.post_text("/jobs", "application/json", &body.to_string());
    assert_eq!(answer.status, 201, "{}", answer.body);
    let job = answer.body;
    for (field, sent) in body.as_object().unwrap() {
        let expected = if field == "timeout" { &json!("1m30s") } else { sent };
        assert_eq!(&job[field], expected, "{field}: {job}");
    }
    assert_eq!(job["status"], "active");
    assert_eq!(answer.location, Some(format!("/jobs/{}", text(&job["id"]))));
    assert_eq!(host.api.get(&answer.location.unwrap()), job);
    assert_eq!(host.api.get("/jobs")["jobs"], json!([job]));
}

#[test]
fn an_interval_job_fires_first_one_period_after_it_was_created() {
    let host = host();
    for interval in ["30s", "PT30S"] {
        let job = created(&host, json!({ "type": "interval", "interval": interval }));
        assert_eq!((&job["type"], &job["interval"]), (&json!("interval"), &json!("30s")), "{job}");
        assert_eq!(instant(&job["next_fire_at"]) - instant(&job["created_at"]), 30_000, "{job}");
    }
}

#[test]
fn a_cron_job_fires_by_the_wall_clock_of_its_time_zone() {
    let host = host();
    let job = created(&host, json!({ "type": "cron", "cron": "30 3 * * *", "timezone": "Asia/Kolkata" }));
    assert_eq!((&job["cron"], &job["timezone"]), (&json!("30 3 * * *"), &json!("Asia/Kolkata")), "{job}");
    // Half past three in India, which knows no summer time, is ten o'clock in the evening before, in UTC.
    assert!(text(&job["next_fire_at"]).ends_with("T22:00:00.000Z"), "{job}");
    let job = created(&host, json!({ "type": "cron", "cron": "30 3 * * *" }));
    assert!(text(&job["next_fire_at"]).ends_with("T03:30:00.000Z"), "UTC where no zone is named: {job}");
}

#[test]
fn a_manual_job_has_no_next_firing() {
    let job = created(&host(), json!({ "type": "manual" }));
    for field in ["next_fire_at", "interval", "cron", "timezone", "current_interval_id", "interval_progress"] {
        assert_eq!(job[field], Value::Null, "{field}: {job}");
    }
}

#[test]
fn every_invalid_field_is_refused_by_its_name() {
    let host = host();
    let cron = |cron: &str, zone: &str| json!({ "type": "cron", "cron": cron, "timezone": zone });
    let cases = [
        ("interval", json!({ "type": "interval" })),
        ("interval", json!({ "type": "interval", "interval": "soon" })),
        ("interval", json!({ "type": "interval", "interval": "999ms" })),
        ("interval", json!({ "type": "interval", "interval": "-30s" })),
        ("interval", json!({ "interval": "30s" })),
        ("cron", json!({ "type": "cron" })),
        ("cron", cron("every day", "UTC")),
        ("cron", cron("61 * * * *", "UTC")),
        ("timezone", cron("0 3 * * *", "Mars/Olympus")),
        ("cron", json!({ "cron": "0 3 * * *" })),
        ("timezone", json!({ "type": "interval", "interval": "30s", "timezone": "UTC" })),
        ("type", json!({ "type": "weekly" })),
        ("name", json!({ "name": " " })),
        ("name", json!({ "name": "n".repeat(256) })),
        ("name", json!({ "name": null })),
        ("workspace_id", json!({ "workspace_id": "" })),
        ("plugin", json!({ "plugin": 7 })),
        ("tasks", json!({ "tasks": 10_000_001 })),
        ("tasks", json!({ "tasks": -1 })),
        ("tasks", json!({ "tasks": "many" })),
        ("max_parallel", json!({ "max_parallel": 0 })),
        ("max_parallel", json!({ "max_parallel": 1_025 })),
        ("timeout", json!({ "timeout": "0s" })),
        ("timeout", json!({ "timeout": "25h" })),
        ("memory_limit_bytes", json!({ "memory_limit_bytes": 1 })),
        ("memory_limit_bytes", json!({ "memory_limit_bytes": 1_u64 << 31 })),
        ("enable_recovery", json!({ "enable_recovery": "perhaps" })),
        ("retry.max_attempts", json!({ "retry": { "max_attempts": 0 } })),
        ("retry.factor", json!({ "retry": { "factor": 0.5 } })),
        ("retry.backoff", json!({ "retry": { "backoff": "later" } })),
        ("retry.max_backoff", json!({ "retry": { "backoff": "1m", "max_backoff": "1s" } })),
        ("patience", json!({ "patience": 3 })),
        ("tries", json!({ "retry": { "tries": 3 } })),
        ("grants.directories", json!({ "grants": { "directories": [{ "path": "relative" }] } })),
    ];
    for (field, fields) in cases {
        let (status, problem) = host.api.send("POST", "/jobs", Some(&job(&fields)));
        assert_eq!((status, &problem["code"]), (422, &json!("invalid_field")), "{fields}: {problem}");
        let detail = text(&problem["detail"]);
        assert!(detail.contains(field), "{field} is not named in: {detail}");
    }
    assert_eq!(host.api.get("/jobs"), json!({ "jobs": [] }), "nothing of it is kept");
}

#[test]
fn what_is_wrong_is_said_in_words_of_the_request() {
    let host = host();
    for (fields, detail) in [
        (json!({ "tasks": "many" }), "`tasks`: invalid type: string \"many\", expected u32"),
        (json!({ "retry": { "factor": [] } }), "`retry.factor`: invalid type: sequence, expected f32"),
        (json!({ "name": null }), "`name`: invalid type: null, expected a string"),
        (json!({ "max_failed": -1 }), "`max_failed`: takes a number, or a share such as \"5%\""),
        (
            json!({ "max_failed": "105%" }),
            "`max_failed`: takes a number, or a share of at most \"100%\", such as \"5%\", not `105%`",
        ),
        (
            json!({ "retry": { "backoff": "10m" } }),
            "`retry.max_backoff`: is 5m, shorter than retry.backoff, 10m: name a longer one",
        ),
        (
            json!({ "grants": { "directories": [{ "path": "relative" }] } }),
            "`grants.directories`: `path` takes an absolute path, not `relative`",
        ),
        (
            json!({ "grants": { "directories": [{ "path": "/a", "mount": "b" }] } }),
            "`grants.directories`: `mount` takes an absolute path, not `b`",
        ),
    ] {
        let (status, problem) = host.api.send("POST", "/jobs", Some(&job(&fields)));
        assert_eq!((status, &problem["detail"]), (422, &json!(detail)), "{fields}");
    }
    let (_, problem) = host.api.send("POST", "/jobs", Some(&json!({ "plugin": "misbehave" })));
    assert_eq!(problem["detail"], "`body`: missing field `name`");
    let (status, problem) = host.api.send("GET", "/schedule/preview?at=&count=many", None);
    let detail = "in the query, count: invalid digit found in string";
    assert_eq!((status, &problem["detail"]), (400, &json!(detail)));
    let answer = host.api.post_text("/jobs", "application/json", "{ \"name\": ");
    assert!(text(&answer.body["detail"]).starts_with("the body is no JSON: "), "{}", answer.body);
}

#[test]
fn a_job_of_an_unknown_plugin_is_refused_with_the_mend() {
    let (status, problem) = host().api.send("POST", "/jobs", Some(&job(&json!({ "plugin": "nobody" }))));
    assert_eq!((status, &problem["code"]), (422, &json!("unknown_plugin")), "{problem}");
    assert!(text(&problem["detail"]).contains("PUT its bytes to /plugins/nobody"), "{problem}");
}

#[test]
fn a_body_that_is_no_json_answers_400_and_one_that_does_not_say_so_415() {
    let host = host();
    let answer = host.api.post_text("/jobs", "application/json", "{ \"name\": ");
    assert_eq!((answer.status, &answer.body["code"]), (400, &json!("bad_request")), "{}", answer.body);
    let answer = host.api.post_text("/jobs", "text/plain", &job(&json!({})).to_string());
    assert_eq!((answer.status, &answer.body["code"]), (415, &json!("unsupported_media_type")), "{}", answer.body);
    assert!(text(&answer.body["detail"]).contains("application/json"), "{}", answer.body);
}

#[test]
fn a_body_over_the_limit_answers_413_with_the_limit() {
    let answer = host().api.post_text("/jobs", "application/json", &" ".repeat((2 << 20) + 1));
    assert_eq!((answer.status, &answer.body["code"]), (413, &json!("too_large")), "{}", answer.body);
    assert_eq!(answer.body["detail"], "the body is larger than 2097152 bytes");
}

#[test]
fn a_path_that_is_no_text_is_answered_as_a_problem() {
    let host = host();
    for path in ["/jobs/%FF", "/plugins/%FF", "/intervals/%FF", "/intervals/%FF/tasks", "/intervals/x/tasks/%FF"] {
        let (status, problem) = host.api.send("GET", path, None);
        assert_eq!((status, &problem["code"]), (400, &json!("bad_request")), "{path}: {problem}");
    }
}

#[test]
fn ids_that_name_nothing_answer_404() {
    let host = host();
    let interval = text(&host.api.run("misbehave", &json!({ "act": "succeed" }), json!({}))["id"]);
    let nobody = "0190b5f0-0000-7000-8000-000000000000";
    let paths = [
        ("GET", format!("/jobs/{nobody}")),
        ("GET", "/jobs/no-uuid".to_owned()),
        ("DELETE", format!("/jobs/{nobody}")),
        ("POST", format!("/jobs/{nobody}/trigger")),
        ("GET", format!("/jobs/{nobody}/intervals")),
        ("GET", format!("/intervals/{nobody}")),
        ("GET", format!("/intervals/{nobody}/logs")),
        ("GET", format!("/intervals/{nobody}/tasks")),
        ("GET", format!("/intervals/{interval}/tasks/1")),
        ("GET", format!("/intervals/{interval}/tasks/first")),
    ];
    for (method, path) in paths {
        let (status, problem) = host.api.send(method, &path, None);
        assert_eq!((status, &problem["code"]), (404, &json!("not_found")), "{method} {path}: {problem}");
    }
    let (status, problem) = host.api.send("GET", "/nowhere", None);
    assert_eq!((status, &problem["code"]), (404, &json!("no_such_path")));
    let (status, problem) = host.api.send("POST", "/health", None);
    assert_eq!((status, &problem["code"]), (405, &json!("method_not_allowed")));
}

#[test]
fn recovery_of_a_job_that_does_not_say_is_as_the_operator_set_it() {
    for (setting, expected) in [(None, true), (Some("true"), true), (Some("false"), false)] {
        let builder = setting
            .into_iter()
            .fold(HostBuilder::new(), |builder, value| builder.variable("DEFAULT_RECOVERY_ENABLED", value));
        let host = builder.start();
        host.api.upload_plugin("misbehave");
        assert_eq!(created(&host, json!({}))["enable_recovery"], expected, "{setting:?}");
        assert_eq!(created(&host, json!({ "enable_recovery": true }))["enable_recovery"], true, "{setting:?}");
        assert_eq!(created(&host, json!({ "enable_recovery": false }))["enable_recovery"], false, "{setting:?}");
    }
}

pub(crate) fn host() -> Host {
    let host = HostBuilder::new().start();
    host.api.upload_plugin("misbehave");
    host
}

/// A sound job, but for `fields`.
fn job(fields: &Value) -> Value {
    let mut job = json!({ "name": "job", "plugin": "misbehave", "type": "manual", "payload": { "act": "succeed" } });
    job.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    job
}

fn created(host: &Host, fields: Value) -> Value {
    let (status, created) = host.api.send("POST", "/jobs", Some(&job(&fields)));
    assert_eq!(status, 201, "{created}");
    created
}
