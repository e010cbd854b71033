//! How far a call may go: its job says so, and the host has the last word.

use crate::hosts::cli;
use crate::outgoing;
use latchwork_tests::{Api, Guest, HostBuilder, SUCCESS, Web, text};
use serde_json::{Value, json};

fn host() -> latchwork_tests::Host {
    let host = HostBuilder::new().start();
    host.api.upload_plugin("misbehave");
    host
}

/// Why the first task of a job failed, which has one attempt.
fn failure(api: &Api, payload: Value, mut rest: Value) -> Value {
    rest["retry"] = json!({ "max_attempts": 1 });
    let ended = api.run("misbehave", &payload, rest);
    assert_eq!(ended["state"], "failed", "{ended}");
    api.task(&text(&ended["id"]), 0)["failure"].clone()
}

#[test]
fn a_call_that_computes_for_too_long_ends_and_one_that_waits_does_not() {
    let host = host();
    let failure = failure(&host.api, json!({ "act": "loop" }), json!({ "cpu_limit": "200ms", "timeout": "1m" }));
    assert_eq!(failure["kind"], "limit_exceeded", "{failure}");
    assert_eq!(failure["message"], "the call computed for longer than 200ms (cpu_limit)");
    let waits = host.api.run("misbehave", &json!({ "act": "sleep", "ms": 1_000 }), json!({ "cpu_limit": "200ms" }));
    assert_eq!(waits["state"], "succeeded", "{waits}");
    host.api.assert_goes_on();
}

/// Guests that take too much of one thing.
fn greedy() -> [(&'static str, Guest); 3] {
    let dice = format!("(call $random-bytes (i64.const 11) (i32.const 64)) {SUCCESS}");
    let keys = "(call $keys-set (i32.const 200) (i32.const 1) (i32.const 0) (i32.const 20) (i32.const 64))
        (call $pass (i32.const 64))";
    [
        ("hoard", Guest::using(&["get-stdout"], "(loop (drop (call $get-stdout)) (br 0)) (unreachable)")),
        ("dice", Guest::using(&["random-bytes"], dice)),
        ("keys", Guest { fields: "(data (i32.const 200) \"k\")".to_owned(), ..Guest::using(&["keys-set"], keys) }),
    ]
}

#[test]
fn each_limit_of_a_job_is_kept_and_named_with_its_value_in_the_api_and_by_the_command() {
    let (web, host) = (Web::start(), outgoing::start(&outgoing::builder()));
    host.api.upload_plugin("misbehave");
    for (name, guest) in greedy() {
        host.api.upload(name, &guest.component());
    }
    let (misbehave, null) = ("misbehave", Value::Null);
    let get = json!({ "urls": [web.url("127.0.0.1", "/bytes/1001")] });
    let cases = [
        (
            misbehave,
            json!({ "act": "flood", "bytes": 2_000 }),
            "output_limit_bytes",
            json!(1_000),
            "at most 1000 bytes",
        ),
        (misbehave, json!({ "act": "hog" }), "memory_limit_bytes", json!(8 << 20), "more than 8388608 bytes of memory"),
        (misbehave, json!({ "act": "loop" }), "cpu_limit", json!("50ms"), "computed for longer than 50ms"),
        (misbehave, json!({ "act": "sleep", "ms": 60_000 }), "timeout", json!("50ms"), "took longer than 50ms"),
        ("hoard", null.clone(), "handle_limit", json!(3), "at most 3 handles"),
        ("dice", null.clone(), "random_limit_bytes", json!(10), "at most 10 random bytes"),
        ("keys", null, "key_limit_bytes", json!(10), "may take 10 together"),
        ("fetch", get, "http_body_limit_bytes", json!(1_000), "has at most 1000 bytes"),
    ];
    for (plugin, payload, field, limit, message) in cases {
        let mut rest = json!({ "retry": { "max_attempts": 1 }, "grants": outgoing::grant("127.0.0.1", web.port()) });
        rest[field] = limit;
        let ended = host.api.run(plugin, &payload, rest);
        let interval = text(&ended["id"]);
        let failure = &host.api.task(&interval, 0)["failure"];
        let told = text(&failure["message"]);
        assert!(told.contains(message) && told.contains(&format!("({field}")), "{field}: {failure}");
        let output = cli(&host, &["interval", "tasks", &interval]);
        assert!(output.contains(message), "{field}: {output}");
    }
}

#[test]
fn a_checkpoint_and_a_log_over_their_limits_are_named_with_the_value_in_the_api_and_by_the_command() {
    let host = host();
    let (save, chatter) = (json!({ "act": "save", "bytes": 11 }), json!({ "act": "chatter", "lines": 50 }));
    let saved = host.api.run("misbehave", &save, json!({ "checkpoint_limit_bytes": 10 }));
    let interval = text(&saved["id"]);
    let refusal = host.api.task(&interval, 0)["output"].to_string();
    // The plugin has made nothing of it; the log says so all the same.
    for told in [refusal, cli(&host, &["interval", "tasks", &interval]), cli(&host, &["interval", "logs", &interval])] {
        assert!(told.contains("at most 10 bytes, not 11 (checkpoint_limit_bytes)"), "{told}");
    }
    let logged = host.api.run("misbehave", &chatter, json!({ "log_limit_bytes": 500 }));
    let interval = text(&logged["id"]);
    let last = host.api.log(&interval, Some(0)).pop().unwrap();
    for told in [last, cli(&host, &["interval", "logs", &interval])] {
        assert!(told.trim_end().ends_with("a task's log keeps 500 bytes (log_limit_bytes)"), "{told}");
    }
}

#[test]
fn a_host_has_the_last_word_on_every_limit_and_the_refusal_names_its_setting() {
    let settings = [
        ("--task-timeout-max", "1m", "timeout", json!("2m"), "LATCHWORK_TASK_TIMEOUT_MAX"),
        ("--task-cpu-max", "10s", "cpu_limit", json!("11s"), "LATCHWORK_TASK_CPU_MAX"),
        (
            "--task-memory-bytes-max",
            "67108864",
            "memory_limit_bytes",
            json!(67_108_865),
            "LATCHWORK_TASK_MEMORY_BYTES_MAX",
        ),
        ("--task-output-bytes-max", "1000", "output_limit_bytes", json!(1_001), "LATCHWORK_TASK_OUTPUT_BYTES_MAX"),
        ("--task-log-bytes-max", "1000", "log_limit_bytes", json!(1_001), "LATCHWORK_TASK_LOG_BYTES_MAX"),
        (
            "--task-checkpoint-bytes-max",
            "1000",
            "checkpoint_limit_bytes",
            json!(1_001),
            "LATCHWORK_TASK_CHECKPOINT_BYTES_MAX",
        ),
        ("--task-handles-max", "100", "handle_limit", json!(101), "LATCHWORK_TASK_HANDLES_MAX"),
        ("--task-random-bytes-max", "1000", "random_limit_bytes", json!(1_001), "LATCHWORK_TASK_RANDOM_BYTES_MAX"),
        (
            "--task-http-body-bytes-max",
            "1000",
            "http_body_limit_bytes",
            json!(1_001),
            "LATCHWORK_TASK_HTTP_BODY_BYTES_MAX",
        ),
        ("--job-key-bytes-max", "1000", "key_limit_bytes", json!(1_001), "LATCHWORK_JOB_KEY_BYTES_MAX"),
    ];
    let host = settings.iter().fold(HostBuilder::new(), |host, (flag, value, ..)| host.flag(flag, value)).start();
    host.api.upload_plugin("misbehave");
    let job = |field: &str, value: &Value| {
        let mut job = json!({ "name": field, "plugin": "misbehave", "type": "manual" });
        job[field] = value.clone();
        job
    };
    for (_, _, field, too_much, setting) in &settings {
        let (status, problem) = host.api.send("POST", "/jobs", Some(&job(field, too_much)));
        let detail = text(&problem["detail"]);
        assert!(status == 422 && detail.contains(setting) && detail.contains(field), "{field}: {status} {problem}");
    }
    // A job that says nothing gets what the host allows.
    let (status, created) = host.api.send("POST", "/jobs", Some(&job("name", &json!("silent"))));
    assert_eq!(status, 201, "{created}");
    assert_eq!(
        (&created["timeout"], &created["cpu_limit"], &created["memory_limit_bytes"], &created["handle_limit"]),
        (&json!("1m"), &json!("10s"), &json!(67_108_864), &json!(100))
    );
}

#[test]
fn a_ceiling_that_was_lowered_since_holds_for_jobs_that_were_there_before() {
    let builder = HostBuilder::new();
    let host = builder.start();
    host.api.upload_plugin("misbehave");
    let rest = json!({ "cpu_limit": "1h", "timeout": "1h", "retry": { "max_attempts": 1 } });
    let job = host.api.manual_job("misbehave", &json!({ "act": "loop" }), rest);
    host.stop();
    let host = builder.flag("--task-cpu-max", "100ms").start();
    let interval = host.api.trigger(&job);
    host.api.ended(&interval);
    let failure = host.api.task(&interval, 0)["failure"].clone();
    assert_eq!(failure["message"], "the call computed for longer than 100ms (cpu_limit)");
}

#[test]
fn all_calls_together_keep_within_the_memory_of_the_host_and_who_uses_little_is_not_kept_out() {
    let host = HostBuilder::new().flag("--calls-memory-bytes-max", 64 << 20).start();
    host.api.upload_plugin("misbehave");
    // They may use more than the host has, wait for long, and use little.
    let rest = json!({ "tasks": 8, "max_parallel": 8, "memory_limit_bytes": 1 << 30, "timeout": "2h" });
    let job = host.api.manual_job("misbehave", &json!({ "act": "sleep", "ms": 3_600_000 }), rest);
    let waiting = host.api.trigger(&job);
    host.api.wait_for_interval(&waiting, |interval| interval["running"] == 8);
    let failure = failure(&host.api, json!({ "act": "hog" }), json!({ "memory_limit_bytes": 1 << 30 }));
    assert_eq!(failure["kind"], "host", "{failure}");
    let message = text(&failure["message"]);
    assert!(message.contains("67108864 bytes") && message.contains("LATCHWORK_CALLS_MEMORY_BYTES_MAX"), "{message}");
    host.api.assert_goes_on();
    assert_eq!(host.api.interval(&waiting)["running"], 8, "they go on");
}
