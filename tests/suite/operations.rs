//! What people do to jobs and intervals while the host runs: pause, resume, trigger once, cancel.

use latchwork_tests::{Host, HostBuilder, Witness, host_binary, instant, text, wait_for};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const NOBODY: &str = "0190b5f0-0000-7000-8000-000000000000";

/// What a command of the binary answers.
fn command(host: &Host, arguments: &[&str]) -> Output {
    Command::new(host_binary()).args(arguments).args(["--server", host.api.server()]).output().unwrap()
}

/// The JSON of a command that goes well.
pub(crate) fn told(host: &Host, arguments: &[&str]) -> Value {
    let output = command(host, &[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn post(host: &Host, path: &str, body: Option<&Value>) -> (u16, Value) {
    host.api.send("POST", path, body)
}

fn every_second(host: &Host, fields: Value) -> String {
    let mut job = json!({
        "name": "ticks", "plugin": "misbehave", "type": "interval", "interval": "1s", "payload": { "act": "succeed" },
    });
    job.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    host.api.create_job(&job)
}

#[test]
fn a_paused_job_fires_no_more_until_it_is_resumed_and_what_passed_is_one_record() {
    let host = crate::jobs::host();
    let job = every_second(&host, json!({}));
    host.api.wait_for_interval_of(&job, |view| view["state"] == "succeeded");
    let (status, paused) = post(&host, &format!("/jobs/{job}/pause"), Some(&json!({ "reason": "a look" })));
    assert_eq!((status, &paused["status"], &paused["pause_reason"]), (200, &json!("paused"), &json!("a look")));
    assert_eq!(paused["next_fire_at"], Value::Null, "it is not going to be fired: {paused}");
    let (status, again) = post(&host, &format!("/jobs/{job}/pause"), None);
    assert_eq!((status, again), (200, paused));

    let latest = instant(&host.api.intervals(&job)[0]["scheduled_at"]);
    assert_eq!(host.api.ended(&host.api.trigger(&job))["state"], "succeeded", "it can still be triggered");
    let paused_at = Instant::now();
    wait_for("some firings to pass", || (paused_at.elapsed() > Duration::from_secs(3)).then_some(()));
    let fired = host.api.intervals(&job).into_iter().filter(|view| view["origin"] == "schedule");
    assert_eq!(fired.map(|view| instant(&view["scheduled_at"])).max(), Some(latest), "none while it is paused");

    let (status, resumed) = post(&host, &format!("/jobs/{job}/resume"), None);
    assert_eq!((status, &resumed["status"], &resumed["pause_reason"]), (200, &json!("active"), &Value::Null));
    assert_eq!((instant(&resumed["next_fire_at"]) - latest) % 1_000, 0, "the grid has not shifted: {resumed}");
    assert_eq!(post(&host, &format!("/jobs/{job}/resume"), None).0, 200);
    let skipped = host.api.wait_for_interval_of(&job, |view| view["state"] == "skipped");
    assert_eq!(instant(&skipped["scheduled_at"]), latest + 1_000);
    let reason = text(&skipped["reason"]);
    assert!(reason.contains("passed while the job was paused: a look"), "{reason}");
    let count: i64 = reason.split(' ').next().unwrap().parse().unwrap();
    assert_eq!(latest + (count + 1) * 1_000, instant(&resumed["next_fire_at"]), "every firing is counted: {reason}");
    host.api.wait_for_interval_of(&job, |view| {
        view["state"] == "succeeded" && instant(&view["scheduled_at"]) == latest + (count + 1) * 1_000
    });
}

#[test]
fn a_job_whose_intervals_fail_in_a_row_pauses_itself_and_says_how_it_goes_on() {
    let host = crate::jobs::host();
    let job = every_second(&host, json!({ "payload": { "act": "fatal" }, "pause_after_failures": 2 }));
    let path = format!("/jobs/{job}");
    let paused = wait_for("the job to be paused", || Some(host.api.get(&path)).filter(|job| job["status"] == "paused"));
    let reason = text(&paused["pause_reason"]);
    let last = host.api.wait_for_interval_of(&job, |view| reason.contains(&text(&view["id"])));
    assert_eq!(last["state"], "failed");
    assert!(reason.starts_with("2 intervals in a row failed") && reason.contains("resume the job"), "{reason}");
    assert_eq!(paused["failures_in_a_row"], 2);
    let shown = command(&host, &["job", "show", "ticks"]);
    assert!(String::from_utf8(shown.stdout).unwrap().contains("2 intervals in a row failed"));
    let resumed = told(&host, &["job", "resume", "ticks"]);
    assert_eq!((&resumed["status"], &resumed["failures_in_a_row"]), (&json!("active"), &json!(0)), "{resumed}");
    told(&host, &["job", "pause", "ticks", "--reason", "no more"]);
    assert_eq!(host.api.get(&path)["pause_reason"], "no more");
}

#[test]
fn a_trigger_that_is_sent_twice_with_one_key_starts_one_interval() {
    let host = crate::jobs::host();
    let job = host.api.manual_job("misbehave", &json!({ "act": "succeed" }), json!({}));
    let path = format!("/jobs/{job}/trigger");
    let (status, first) = post(&host, &path, Some(&json!({ "idempotency_key": "night-1" })));
    assert_eq!(status, 202, "{first}");
    let by_header = Command::new("curl")
        .args(["-s", "-X", "POST", "-H", "Idempotency-Key: night-1", &format!("{}{path}", host.api.server())])
        .output()
        .unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&by_header.stdout).unwrap(), first, "{by_header:?}");
    assert_eq!(told(&host, &["job", "trigger", &job, "--idempotency-key", "night-1"]), first);
    assert_eq!(host.api.intervals(&job).len(), 1);
    let other = told(&host, &["job", "trigger", &job, "--idempotency-key", "night-2"]);
    assert_ne!(other, first);
    assert_ne!(host.api.trigger(&job), host.api.trigger(&job), "without a key each starts one");
    for key in ["", "ü", &"k".repeat(256)] {
        let (status, problem) = post(&host, &path, Some(&json!({ "idempotency_key": key })));
        assert_eq!((status, &problem["code"]), (422, &json!("invalid_field")), "{key}: {problem}");
    }
}

#[test]
fn a_cancelled_intervals_sleeping_task_is_interrupted_within_a_second() {
    let witness = Witness::new();
    let host = HostBuilder::new().flag("--allow-dir", witness.allowed()).start();
    host.api.upload_plugin("misbehave");
    let payload = json!({ "act": "beat", "directory": "/witness", "ms": 20 });
    let rest = json!({ "grants": witness.grants(), "timeout": "2h" });
    let job = host.api.manual_job("misbehave", &payload, rest);
    let interval = host.api.trigger(&job);
    let grants = witness.grants();
    let beats = Path::new(grants["directories"][0]["path"].as_str().unwrap()).join("beats-0");
    let count = || std::fs::metadata(&beats).map_or(0, |file| file.len());
    wait_for("the task to run", || (count() > 3).then_some(()));

    let asked_at = Instant::now();
    let (status, cancelled) = post(&host, &format!("/intervals/{interval}/cancel"), None);
    assert_eq!((status, &cancelled["state"]), (200, &json!("cancelled")), "{cancelled}");
    assert_eq!(cancelled["reason"], "cancelled by a person");
    assert_silent_after(asked_at, Duration::from_secs(1), count);
    let (status, again) = post(&host, &format!("/intervals/{interval}/cancel"), None);
    assert_eq!((status, &again["finished_at"]), (200, &cancelled["finished_at"]), "the same again");
    assert_eq!(host.api.get(&format!("/jobs/{job}"))["current_interval_id"], Value::Null);
    let stage = &host.api.interval(&interval)["stages"][0]["state"];
    assert_eq!(stage, "cancelled", "a stage that was cut off does not look as if it ran");
    host.api.assert_goes_on();
}

/// Checks that a count stands still from `within` after an instant on.
fn assert_silent_after(asked_at: Instant, within: Duration, count: impl Fn() -> u64) {
    let rest = |until: Duration| wait_for("the time to pass", || (asked_at.elapsed() > until).then_some(()));
    rest(within);
    let then = count();
    rest(within + Duration::from_millis(500));
    assert_eq!(count(), then, "it goes on {within:?} after it was cancelled");
}

#[test]
fn a_cancelled_intervals_looping_task_gives_its_processor_back_within_a_second() {
    let host = crate::jobs::host();
    let job = host.api.manual_job("misbehave", &json!({ "act": "loop" }), json!({ "timeout": "2h" }));
    let interval = host.api.trigger(&job);
    host.api.wait_for_interval(&interval, |view| view["running"] == 1);
    let begun = processor_ticks(&host);
    wait_for("the task to use its processor", || (processor_ticks(&host) > begun + 50).then_some(()));
    let asked_at = Instant::now();
    told(&host, &["interval", "cancel", &interval, "--reason", "it loops"]);
    wait_for("a second to pass", || (asked_at.elapsed() > Duration::from_secs(1)).then_some(()));
    let then = processor_ticks(&host);
    wait_for("another", || (asked_at.elapsed() > Duration::from_secs(2)).then_some(()));
    let used = processor_ticks(&host) - then;
    assert!(used < 20, "{used} ticks of a hundredth were used in the second after");
    assert_eq!(host.api.interval(&interval)["reason"], "it loops");
    host.api.assert_goes_on();
}

/// Hundredths of a second that the process has computed for.
fn processor_ticks(host: &Host) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", host.pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn what_has_ended_cannot_be_cancelled_and_what_is_not_there_is_not_found() {
    let host = crate::jobs::host();
    let ended = host.api.run("misbehave", &json!({ "act": "succeed" }), json!({}));
    let (status, problem) = post(&host, &format!("/intervals/{}/cancel", text(&ended["id"])), None);
    assert_eq!((status, &problem["code"]), (409, &json!("interval_ended")), "{problem}");
    assert!(text(&problem["detail"]).contains("succeeded"), "{problem}");
    let paths = ["jobs/{}/pause", "jobs/{}/resume", "jobs/{}/trigger", "intervals/{}/cancel", "intervals/{}/retry"];
    for path in paths {
        let (status, problem) = post(&host, &format!("/{}", path.replace("{}", NOBODY)), None);
        assert_eq!((status, &problem["code"]), (404, &json!("not_found")), "{path}: {problem}");
    }
}
