//! A host that is asked to stop loses nothing; one that is asked twice stops at once.

use latchwork_tests::{Host, HostBuilder, Witness, wait_for};
use serde_json::{Value, json};

const TASKS: u32 = 200;
const MAX_PARALLEL: u32 = 4;

#[test]
fn a_stopped_host_ends_well_with_its_running_tasks_recorded_and_goes_on_at_its_next_start() {
    for signal in ["TERM", "INT"] {
        let witness = Witness::new();
        let builder = HostBuilder::new().flag("--allow-dir", witness.allowed());
        let host = builder.start();
        let interval = start(&host, &witness, 50, TASKS);
        host.api.wait_for_interval(&interval, |view| view["completed"].as_u64() >= Some(6));
        host.signal(signal);
        assert_eq!(host.wait().code(), Some(0), "{signal}");

        let begun = witness.call_count();
        assert!(begun < u64::from(TASKS), "{signal}: the host was stopped in the middle");
        let rows = builder.rows();
        assert_eq!(rows.number("select sum(done_count) from segments"), i64::try_from(begun).unwrap(), "{signal}");
        assert_eq!(rows.number("select sum(running_count) from segments"), 0, "{signal}");
        assert_eq!(rows.number("select count(*) from segments where owner is not null"), 0, "{signal}");

        let host = builder.start();
        let ended = host.api.ended(&interval);
        assert_eq!((&ended["state"], &ended["completed"]), (&json!("succeeded"), &json!(TASKS)), "{signal}: {ended}");
        assert_eq!((&ended["duplicates"], &ended["recovery_attempts"]), (&json!(0), &json!(0)), "{signal}: {ended}");
        assert_eq!(witness.call_count(), u64::from(TASKS), "{signal}: no task is called twice");
        assert!(host.log().contains(&format!("Skipping {begun} completed tasks")), "{signal}: {}", host.log());
    }
}

#[test]
fn a_task_longer_than_the_grace_is_let_go_and_counted_when_it_runs_again() {
    let witness = Witness::new();
    let builder = HostBuilder::new().flag("--allow-dir", witness.allowed()).flag("--stop-grace", "200ms");
    let host = builder.start();
    let interval = start(&host, &witness, 3_600_000, 1);
    host.api.wait_for_interval(&interval, |_| witness.call_count() == 1);
    assert_eq!(host.stop().code(), Some(0));

    let host = builder.start();
    let view = host.api.wait_for_interval(&interval, |_| witness.call_count() == 2);
    assert_eq!((&view["state"], &view["duplicates"]), (&json!("running"), &json!(1)), "{view}");
    // The host stopped by itself, so it was no crash, and the task's attempts are its own.
    let task = host.api.task(&interval, 0);
    assert_eq!((&task["attempts"], &task["crashes"]), (&json!(1), &json!(0)), "{task}");
}

#[test]
fn a_second_signal_ends_the_host_at_once() {
    let witness = Witness::new();
    let builder = HostBuilder::new().flag("--allow-dir", witness.allowed()).flag("--stop-grace", "1h");
    let host = builder.start();
    let interval = start(&host, &witness, 3_600_000, 1);
    host.api.wait_for_interval(&interval, |_| witness.call_count() == 1);
    host.signal("TERM");
    wait_for("the first signal to be heard", || host.log().contains("Stopping").then_some(()));
    host.signal("TERM");
    assert_eq!(host.wait().code(), Some(130));

    let host = builder.start();
    let view = host.api.wait_for_interval(&interval, |_| witness.call_count() == 2);
    assert_eq!(view["duplicates"], 1, "what is lost is what a crash loses: {view}");
}

#[test]
fn a_host_that_stops_still_answers_until_its_tasks_have_ended() {
    let witness = Witness::new();
    let builder = HostBuilder::new().flag("--allow-dir", witness.allowed()).flag("--stop-grace", "1h");
    let host = builder.start();
    let interval = start(&host, &witness, 3_600_000, 1);
    host.api.wait_for_interval(&interval, |_| witness.call_count() == 1);
    host.signal("TERM");
    wait_for("the signal to be heard", || host.log().contains("Stopping").then_some(()));
    assert_eq!(host.api.interval(&interval)["state"], "running");
    let other = host.api.trigger(&host.api.manual_job("misbehave", &json!({ "act": "succeed" }), json!({})));
    assert_eq!(host.api.interval(&other)["state"], "pending", "it is kept for the next start");
}

#[test]
fn a_second_host_on_the_same_file_is_refused_by_the_files_name() {
    let builder = HostBuilder::new();
    let host = builder.start();
    let database = builder.database().display().to_string();
    let second = HostBuilder::new().flag("--database-url", format!("sqlite:{database}"));
    let refused = second.command().output().unwrap();
    assert!(!refused.status.success());
    let message = String::from_utf8(refused.stderr).unwrap();
    assert!(message.contains("another host already uses") && message.contains(&database), "{message}");
    assert_eq!(host.api.get("/health")["status"], "ok", "the first host goes on");

    host.kill();
    let host = second.start();
    assert_eq!(host.api.get("/health")["status"], "ok", "a killed host leaves no lock");
}

fn start(host: &Host, witness: &Witness, ms: u64, tasks: u32) -> String {
    host.api.upload_plugin("misbehave");
    let rest = json!({
        "tasks": tasks, "max_parallel": MAX_PARALLEL, "timeout": "2h", "grants": witness.grants(),
    });
    let payload: Value = witness.payload(ms);
    host.api.trigger(&host.api.manual_job("misbehave", &payload, rest))
}
