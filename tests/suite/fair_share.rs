//! No job keeps others from the host, however much it has to do; and whose sandbox a task gets.

use latchwork_tests::{Host, HostBuilder, text};
use serde_json::{Value, json};

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

fn outputs(host: &Host, payload: &Value, rest: Value) -> Vec<Value> {
    let ended = host.api.run("misbehave", payload, rest);
    (0..8).map(|index| host.api.task(&text(&ended["id"]), index)["output"].clone()).collect()
}

#[test]
fn every_task_gets_a_fresh_sandbox_unless_its_job_wants_a_warm_one() {
    let host = host(HostBuilder::new());
    let lane = |warm_calls: u32| json!({ "tasks": 8, "max_parallel": 1, "warm_calls": warm_calls });
    let count = json!({ "act": "count" });
    assert_eq!(outputs(&host, &count, json!({ "tasks": 8, "max_parallel": 1 })), [1; 8]);
    assert_eq!(outputs(&host, &count, lane(3)), [1, 2, 3, 1, 2, 3, 1, 2]);
    // Not the sandbox of the interval before, nor of another job.
    assert_eq!(outputs(&host, &count, lane(100)), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(outputs(&host, &count, lane(100)), [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn a_sandbox_whose_call_did_not_return_in_order_serves_no_other() {
    let host = host(HostBuilder::new());
    let payload = json!({ "act": "count", "trap": [2], "fail": [5] });
    let rest = json!({ "tasks": 8, "max_parallel": 1, "warm_calls": 100, "retry": { "max_attempts": 1 } });
    let null = Value::Null;
    assert_eq!(
        outputs(&host, &payload, rest),
        [json!(1), json!(2), null.clone(), json!(1), json!(2), null, json!(1), json!(2)]
    );
    host.api.assert_goes_on();
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
