//! Tasks that take the process down, by a fault that only debug builds contain.
#![cfg(debug_assertions)]

use latchwork_tests::{Host, HostBuilder, Witness, wait_for};
use serde_json::{Value, json};

const TASKS: u32 = 60;
const GUILTY: [u32; 2] = [6, 17];

/// Starts the host again as often as it is taken down, until the interval has ended; also how often that was.
fn outlive(builder: &HostBuilder, mut running: Option<Host>, interval: &str) -> (Host, Value, u32) {
    for crashes in 0.. {
        assert!(crashes < 20, "a crash loop");
        if let Some(mut host) = running.or_else(|| builder.try_start()) {
            let ended = wait_for("the interval or the host to end", || {
                let view = host.api.try_send("GET", &format!("/intervals/{interval}"), None).ok();
                let ended = view.map(|(_, view)| view).filter(|view| view["finished_at"].is_string());
                ended.map(Some).or_else(|| host.has_ended().then_some(None))
            });
            if let Some(view) = ended {
                return (host, view, crashes);
            }
        }
        running = None;
    }
    unreachable!("it returns or panics")
}

#[test]
fn tasks_that_kill_the_process_are_found_named_and_failed_and_all_others_complete() {
    let witness = Witness::new();
    let builder = HostBuilder::new()
        .flag("--allow-dir", witness.allowed())
        .variable("LATCHWORK_TEST_DEADLY_TASKS", &GUILTY.map(|index| index.to_string()).join(","));
    let host = builder.start();
    host.api.upload_plugin("misbehave");
    let job = host.api.manual_job(
        "misbehave",
        &witness.payload(20),
        json!({ "tasks": TASKS, "max_parallel": 4, "retry": { "max_attempts": 1 }, "grants": witness.grants() }),
    );
    let interval = host.api.trigger(&job);
    let (host, ended, crashes) = outlive(&builder, Some(host), &interval);
    assert!((3..=6).contains(&crashes), "each is in flight in three crashes, some in the same: {crashes}");
    assert_eq!((&ended["state"], &ended["failed"]), (&json!("failed"), &json!(2)), "{ended}");
    assert_eq!(ended["completed_indices"], "0-5,7-16,18-59", "{ended}");
    for index in GUILTY {
        let task = host.api.task(&interval, index);
        assert_eq!((&task["failure"]["kind"], &task["crashes"]), (&json!("poison"), &json!(3)), "{task}");
        assert_eq!(task["attempts"], 0, "crashes are not its attempts: {task}");
        let named = format!("Task {index} of interval {interval} is failed as a poison task");
        assert!(host.log().contains(&named), "{}", host.log());
    }
    assert_eq!(witness.last_attempt(), 1, "no crash has spent an attempt");
    let beyond: Vec<_> = witness.calls().into_iter().filter(|(_, calls)| *calls > 3).collect();
    assert!(beyond.is_empty(), "{beyond:?}");
    host.api.assert_goes_on();
}
