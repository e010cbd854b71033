//! No job keeps others from the host, however much it has to do; and whose sandbox a task gets.

use crate::outgoing;
use latchwork_tests::{Guest, Host, HostBuilder, Web, text};
use serde_json::{Value, json};
use std::net::TcpListener;

/// About a second of computing: the 64 have not been at it for a minute when the one is there, on however busy a machine.
const ROUNDS: u64 = 3_000_000_000;

fn host(builder: HostBuilder) -> Host {
    let host = builder.start();
    host.api.upload_plugin("misbehave");
    host
}

/// Begins an interval of a job, and returns it when so many tasks are running.
fn running(host: &Host, payload: &Value, rest: Value, tasks: u64) -> String {
    let interval = host.api.trigger(&host.api.manual_job("misbehave", payload, rest));
    host.api.wait_for_interval(&interval, |interval| interval["running"].as_u64() == Some(tasks));
    interval
}

fn one_task_beats_sixty_four(others: Value, own: Value) {
    let host = host(HostBuilder::new());
    let mut rest = json!({ "tasks": 64, "max_parallel": 64, "timeout": "10m", "cpu_limit": "10m" });
    rest.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
    let work = json!({ "act": "compute", "rounds": ROUNDS });
    let crowd = running(&host, &work, rest, 64);
    let ended = host.api.run("misbehave", &work, own);
    assert_eq!(ended["state"], "succeeded", "{ended}");
    let crowd_now = host.api.interval(&crowd);
    assert_eq!(crowd_now["completed"], 0, "64 tasks of another job have been computing for longer: {crowd_now}");
    host.api.send("POST", &format!("/intervals/{crowd}/cancel"), None);
    host.api.ended(&crowd);
}

#[test]
fn a_single_task_is_done_before_any_of_the_many_that_compute_for_another_job() {
    one_task_beats_sixty_four(json!({}), json!({}));
}

#[test]
fn and_before_those_of_a_heavier_job_of_another_workspace() {
    one_task_beats_sixty_four(json!({ "weight": 100, "workspace_id": "greedy" }), json!({ "workspace_id": "modest" }));
}

#[test]
fn plans_and_tasks_that_take_for_ever_leave_room_for_another_workspace() {
    let host = host(HostBuilder::new());
    let wait = "(call $pollable-block (call $subscribe-duration (i64.const 3600000000000)))";
    let uses = &["subscribe-duration", "pollable-block"];
    let planner = Guest { uses, plan: format!("{wait} (i32.const 16)"), ..Guest::default() };
    host.api.upload("planner", &planner.component());
    let greedy = json!({ "workspace_id": "greedy", "overlap": "allow", "priority": 100, "timeout": "2h" });
    let job = host.api.manual_job("planner", &json!(null), greedy);
    // More than a host makes plans for at a time.
    (0..300).for_each(|_| drop(host.api.trigger(&job)));

    let many = json!({ "workspace_id": "idle", "tasks": 1_024, "max_parallel": 1_024, "timeout": "2h" });
    running(&host, &json!({ "act": "sleep", "ms": 3_600_000 }), many, 512);
    let ended = host.api.run("misbehave", &json!({ "act": "succeed" }), json!({ "workspace_id": "modest" }));
    assert_eq!(ended["state"], "succeeded", "{ended}");
}

#[test]
fn a_job_gets_no_more_lanes_than_the_host_allows_one() {
    let host = host(HostBuilder::new().flag("--job-lanes-max", 2).flag("--workspace-lanes-max", 3));
    let sleep = json!({ "act": "sleep", "ms": 3_600_000 });
    let rest = || json!({ "tasks": 8, "max_parallel": 8, "timeout": "2h" });
    let first = running(&host, &sleep, rest(), 2);
    let second = running(&host, &sleep, rest(), 1);
    // Another workspace has lanes of its own; when its task is done, everybody has had the time to take more.
    let other = host.api.run("misbehave", &json!({ "act": "succeed" }), json!({ "workspace_id": "other" }));
    assert_eq!(other["state"], "succeeded", "{other}");
    let at_work = [&first, &second].map(|interval| host.api.interval(interval)["running"].clone());
    assert_eq!(at_work, [2, 1]);
}

/// What each task of a job of 8 comes to: its output, or the kind of its failure.
fn outcomes(host: &Host, plugin: &str, payload: &Value, rest: Value) -> Vec<Value> {
    let ended = host.api.run(plugin, payload, rest);
    let tasks = (0..8).map(|index| host.api.task(&text(&ended["id"]), index));
    let outcome = |task: Value| task["failure"].get("kind").unwrap_or(&task["output"]).clone();
    tasks.map(outcome).collect()
}

#[test]
fn every_task_gets_a_fresh_sandbox_unless_its_job_wants_a_warm_one() {
    let host = host(HostBuilder::new());
    let lane = |warm_calls: u32| json!({ "tasks": 8, "max_parallel": 1, "warm_calls": warm_calls });
    let count = json!({ "act": "count" });
    let outcomes = |rest| outcomes(&host, "misbehave", &count, rest);
    assert_eq!(outcomes(json!({ "tasks": 8, "max_parallel": 1 })), [1; 8]);
    assert_eq!(outcomes(lane(3)), [1, 2, 3, 1, 2, 3, 1, 2]);
    // Not the sandbox of the interval before, nor of another job.
    assert_eq!(outcomes(lane(100)), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(outcomes(lane(100)), [1, 2, 3, 4, 5, 6, 7, 8]);
}

/// A digit in a guest's memory.
const DIGIT: &str = "(data (i32.const 300) \"0\")";

/// Counts the calls that the guest's sandbox has served, this one included.
const COUNT: &str = "(i32.store8 (i32.const 300) (i32.add (i32.load8_u (i32.const 300)) (i32.const 1)))";

/// Counts, and takes for ever at the index 2, and answers with too much at the index 5; with these fields beside.
pub(crate) fn counter(fields: &str) -> Vec<u8> {
    let run = format!(
        "(local $index i32)
        {COUNT}
        (local.set $index (i32.load offset=56 (local.get $task)))
        (if (i32.eq (local.get $index) (i32.const 2)) (then (loop (br 0))))
        (call $output (i32.const 300)
            (select (i32.const 100) (i32.const 1) (i32.eq (local.get $index) (i32.const 5))))"
    );
    Guest { fields: format!("{DIGIT} {fields}"), ..Guest::running(run) }.component()
}

#[test]
fn a_sandbox_whose_call_did_not_return_in_order_serves_no_other() {
    let host = host(HostBuilder::new());
    host.api.upload("counter", &counter(""));
    let rest = json!({
        "tasks": 8, "max_parallel": 1, "warm_calls": 100, "retry": { "max_attempts": 1 },
        "timeout": "2s", "output_limit_bytes": 10,
    });
    let count = json!({ "act": "count", "trap": [2], "fail": [5] });
    for (plugin, payload, expected) in [
        ("misbehave", count, json!([1, 2, "trap", 1, 2, "fatal", 1, 2])),
        ("counter", Value::Null, json!([1, 2, "timeout", 1, 2, "limit_exceeded", 1, 2])),
    ] {
        assert_eq!(json!(outcomes(&host, plugin, &payload, rest.clone())), expected, "{plugin}");
    }
    host.api.assert_goes_on();
}

/// Sends a request to a port of this machine, does the rest with `$response`, the handle of what comes of it, and counts.
fn sender(port: u16, rest: &str) -> Vec<u8> {
    let run = format!(
        "(local $response i32)
        (local.set $response (call $send))
        {rest}
        {COUNT}
        (call $output (i32.const 300) (i32.const 1))"
    );
    let guest = Guest::sending("GET", &format!("127.0.0.1:{port}"), run);
    Guest { fields: format!("{} {DIGIT}", guest.fields), ..guest }.component()
}

#[test]
fn a_sandbox_that_leaves_a_request_on_its_way_serves_no_other() {
    let host = outgoing::builder().start();
    // Takes connections, and answers none.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let web = Web::start();
    let answered = "(call $await (local.get $response)) (call $drop-response (local.get $response))";
    let silent_port = silent.local_addr().unwrap().port();
    for (name, port, rest, served) in
        [("leaves", silent_port, "", [1, 1, 1]), ("waits", web.port(), answered, [1, 2, 3])]
    {
        host.api.upload(name, &sender(port, rest));
        let grants = outgoing::grant("127.0.0.1", port);
        let ended = host.api.run(
            name,
            &json!(null),
            json!({ "tasks": 3, "max_parallel": 1, "warm_calls": 100, "grants": grants }),
        );
        assert_eq!(ended["state"], "succeeded", "{name}: {ended}");
        let outputs = [0, 1, 2].map(|index| host.api.task(&text(&ended["id"]), index)["output"].clone());
        assert_eq!(outputs, served, "{name}");
    }
}

#[test]
fn what_a_warm_sandbox_logs_and_writes_belongs_to_the_task_that_did_it() {
    let host = host(HostBuilder::new());
    let rest = json!({ "tasks": 3, "max_parallel": 1, "warm_calls": 100 });
    let ended = host.api.run("misbehave", &json!({ "act": "chatter", "lines": 2 }), rest);
    let expected = ["log line 0", "stdout line 0", "log line 1", "stdout line 1"];
    for task in 0..3 {
        assert_eq!(host.api.log(&text(&ended["id"]), Some(task)), expected, "task {task}");
    }
}
