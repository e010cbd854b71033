//! What becomes of intervals whose host was killed in the middle.

use latchwork_tests::{Host, HostBuilder, Witness, text, wait_for};
use serde_json::{Value, json};

const TASKS: u32 = 200;
const MAX_PARALLEL: u32 = 2;

#[test]
fn a_task_that_kills_the_host_is_failed_and_every_other_completes() {
    const GUILTY: u32 = 6;
    let witness = Witness::new();
    let builder = HostBuilder::new().flag("--allow-dir", witness.allowed());
    let mut host = builder.start();
    host.api.upload_plugin("misbehave");
    let mut payload = witness.payload(30);
    payload["stuck"] = json!([GUILTY]);
    let job = host.api.manual_job(
        "misbehave",
        &payload,
        json!({ "tasks": 60, "max_parallel": 4, "timeout": "1h", "grants": witness.grants() }),
    );
    let interval = host.api.trigger(&job);
    for crash in 1..=3 {
        // Its mark stands for a task that takes the process down: whoever runs beside it is in flight as well.
        wait_for("the guilty task to run", || witness.calls().get(&GUILTY).filter(|calls| **calls == crash).copied());
        host.kill();
        host = builder.start();
    }
    let ended = host.api.ended(&interval);
    assert_eq!((&ended["state"], &ended["completed"], &ended["failed"]), (&json!("failed"), &json!(59), &json!(1)));
    let task = host.api.task(&interval, GUILTY);
    assert_eq!(task["failure"]["kind"], "poison", "{task}");
    let named = format!("Task {GUILTY} of interval {interval} is failed as a poison task");
    assert!(host.log().contains(&named), "{}", host.log());
    assert!(witness.calls().iter().all(|(index, calls)| *index == GUILTY || *calls <= 3), "{:?}", witness.calls());
    host.api.assert_goes_on();
}

#[test]
fn a_recovery_skips_what_has_completed_and_logs_its_steps() {
    let world = World::new();
    let (host, job, interval) = world.killed_in_the_middle(json!({}));
    let host = world.restart(host);
    let completed = host.completed;
    let ended = host.api().ended(&interval);
    assert_eq!((&ended["state"], &ended["completed"]), (&json!("succeeded"), &json!(TASKS)), "{ended}");
    assert_eq!((&ended["recovery_attempts"], &ended["origin"]), (&json!(1), &json!("trigger")), "{ended}");
    let duplicates = ended["duplicates"].as_u64().unwrap();
    assert!((1..=u64::from(MAX_PARALLEL)).contains(&duplicates), "{ended}");
    assert!(world.witness.call_count() <= u64::from(TASKS) + duplicates, "only tasks in flight run again");
    assert_lines_in_order(
        &host.log(),
        &[
            "Starting recovery check on startup".to_owned(),
            "Found 1 jobs with incomplete intervals".to_owned(),
            format!("Scheduled recovery for job {job}, interval {interval}"),
            format!("Skipping {completed} completed tasks"),
            format!("All tasks completed for interval {interval}"),
        ],
    );
}

#[test]
fn a_host_with_nothing_to_recover_says_so() {
    let host = HostBuilder::new().start();
    let log = host.log();
    assert_lines_in_order(
        &log,
        &["Starting recovery check on startup".to_owned(), "Found 0 jobs with incomplete intervals".to_owned()],
    );
    assert!(!log.contains("Scheduled recovery"), "{log}");
}

#[test]
fn without_recovery_an_interrupted_interval_is_abandoned_and_the_next_begins_at_the_start() {
    // Switched off from the beginning; switched off after the crash; switched off for jobs that do not say, and for this
    // job alone.
    let cases = [
        (World::new().with("ENABLE_RECOVERY", "false"), json!({}), None),
        (World::new(), json!({}), Some(("ENABLE_RECOVERY", "false"))),
        (World::new().with("DEFAULT_RECOVERY_ENABLED", "false"), json!({}), None),
        (World::new(), json!({ "enable_recovery": false }), None),
    ];
    for (mut world, fields, after_the_crash) in cases {
        let (host, job, interval) = world.killed_in_the_middle(fields);
        if let Some((variable, value)) = after_the_crash {
            world = world.with(variable, value);
        }
        let host = world.restart(host);
        let abandoned = host.api().interval(&interval);
        assert_eq!(abandoned["state"], "abandoned", "{abandoned}");
        assert!(text(&abandoned["reason"]).contains("recovery is off"), "{abandoned}");
        assert_eq!(host.api().intervals(&job).len(), 1, "nothing takes its place");
        let log = host.log();
        assert_lines_in_order(
            &log,
            &[
                "Starting recovery check on startup".to_owned(),
                "Found 1 jobs with incomplete intervals".to_owned(),
                format!("Abandoning interval {interval} of job {job}"),
            ],
        );
        assert!(!log.contains("Scheduled recovery"), "{log}");

        world.witness.forget();
        let next = host.api().ended(&host.api().trigger(&job));
        assert_eq!((&next["state"], &next["completed"]), (&json!("succeeded"), &json!(TASKS)), "{next}");
        assert_eq!(world.witness.call_count(), u64::from(TASKS), "the next begins at the start");
    }
}

#[test]
fn an_interval_whose_version_is_gone_is_abandoned_and_so_is_the_try_to_replace_it() {
    let world = World::new();
    let (host, job, interval) = world.killed_in_the_middle(json!({}));
    world.builder.rows().change("delete from plugins");
    world.builder.rows().change("delete from components");
    let host = world.restart(host);
    let abandoned = host.api().ended(&interval);
    assert_eq!(abandoned["state"], "abandoned", "{abandoned}");
    let reason = text(&abandoned["reason"]);
    assert!(reason.contains("is not there any more") && reason.contains(&text(&abandoned["digest"])), "{reason}");

    let replacement = fallback_of(&host, &job, &interval);
    assert_eq!(replacement["state"], "failed", "{replacement}");
    assert!(text(&replacement["reason"]).contains("no version"), "{replacement}");
    assert_eq!(host.api().intervals(&job).len(), 2, "one replacement, not more");
    assert_eq!(host.api().get(&format!("/jobs/{job}"))["status"], "active", "the job stays");
    host.api().upload_plugin("misbehave");
    world.witness.forget();
    assert_eq!(host.api().ended(&host.api().trigger(&job))["state"], "succeeded");
}

#[test]
fn an_interval_whose_progress_is_damaged_is_abandoned_and_runs_again_from_the_start() {
    let world = World::new();
    let (host, job, interval) = world.killed_in_the_middle(json!({}));
    // More bytes than the segment has tasks.
    world.builder.rows().change("update segments set done = zeroblob(600) where owner is not null");
    world.witness.forget();
    let host = world.restart(host);
    let abandoned = host.api().interval(&interval);
    assert_eq!(abandoned["state"], "abandoned", "{abandoned}");
    assert!(text(&abandoned["reason"]).contains("its progress is lost"), "{abandoned}");

    let replacement = fallback_of(&host, &job, &interval);
    let replacement = host.api().ended(&text(&replacement["id"]));
    assert_eq!((&replacement["state"], &replacement["completed"]), (&json!("succeeded"), &json!(TASKS)));
    assert_eq!(world.witness.call_count(), u64::from(TASKS), "everything runs again");
    assert_eq!(host.api().intervals(&job).len(), 2, "one replacement, not more");
}

#[test]
fn a_task_in_flight_in_too_many_crashes_is_failed_as_poison_and_the_rest_completes() {
    let builder = HostBuilder::new().variable("MAX_RECOVERY_ATTEMPTS", "3");
    let mut host = builder.start();
    host.api.upload_plugin("misbehave");
    // One lane: what comes after the endless task waits for its end.
    let rest = json!({ "tasks": 5, "max_parallel": 1, "timeout": "1h" });
    let job = host.api.manual_job("misbehave", &json!({ "act": "loop", "only": [1] }), rest);
    let interval = host.api.trigger(&job);
    // Before the crash that would make it poison it runs alone, after all others.
    for (crash, completed) in [(0, 1), (1, 1), (2, 4)] {
        let view = host.api.wait_for_interval(&interval, |view| view["completed"] == completed && view["running"] == 1);
        assert_eq!(view["duplicates"], crash, "{view}");
        assert_eq!(host.api.task(&interval, 1)["crashes"], crash);
        host.kill();
        host = builder.start();
    }
    let ended = host.api.ended(&interval);
    assert_eq!((&ended["state"], &ended["failed"]), (&json!("failed"), &json!(1)), "{ended}");
    assert_eq!((&ended["completed_indices"], &ended["duplicates"]), (&json!("0,2-4"), &json!(2)), "{ended}");
    let poison = host.api.task(&interval, 1);
    assert_eq!((&poison["failure"]["kind"], &poison["crashes"]), (&json!("poison"), &json!(3)), "{poison}");
    assert!(text(&poison["failure"]["message"]).contains("3 crashes"), "{poison}");
    assert_eq!(poison["attempts"], 0, "crashes are not its attempts: {poison}");
    assert!(host.log().contains(&format!("Task 1 of interval {interval} is failed as a poison task")));
    host.api.assert_goes_on();
}

pub(crate) struct World {
    pub(crate) witness: Witness,
    pub(crate) builder: HostBuilder,
}

/// A killed host's last log and progress.
pub(crate) struct Killed {
    log_bytes: usize,
    completed: i64,
}

pub(crate) struct Restarted {
    pub(crate) host: Host,
    log_bytes: usize,
    completed: i64,
}

impl World {
    pub(crate) fn new() -> Self {
        let witness = Witness::new();
        let builder = HostBuilder::new().flag("--allow-dir", witness.allowed());
        Self { witness, builder }
    }

    pub(crate) fn with(self, variable: &str, value: &str) -> Self {
        Self { builder: self.builder.variable(variable, value), ..self }
    }

    /// A host that was killed while an interval ran; also the job and the interval.
    pub(crate) fn killed_in_the_middle(&self, fields: Value) -> (Killed, String, String) {
        let host = self.builder.start();
        host.api.upload_plugin("misbehave");
        let mut rest = json!({ "tasks": TASKS, "max_parallel": MAX_PARALLEL, "grants": self.witness.grants() });
        rest.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let job = host.api.manual_job("misbehave", &self.witness.payload(20), rest);
        let interval = host.api.trigger(&job);
        host.api.wait_for_interval(&interval, |_| self.witness.call_count() >= 10);
        let log_bytes = host.log().len();
        host.kill();
        let completed = self.builder.rows().number("select sum(done_count) from segments");
        assert!(completed < i64::from(TASKS), "the kill came too late");
        (Killed { log_bytes, completed }, job, interval)
    }

    pub(crate) fn restart(&self, killed: Killed) -> Restarted {
        Restarted { host: self.builder.start(), log_bytes: killed.log_bytes, completed: killed.completed }
    }
}

impl Restarted {
    pub(crate) fn api(&self) -> &latchwork_tests::Api {
        &self.host.api
    }

    /// What was logged since the kill.
    pub(crate) fn log(&self) -> String {
        self.host.log().split_off(self.log_bytes)
    }
}

pub(crate) fn fallback_of(host: &Restarted, job: &str, interval: &str) -> Value {
    let replacement = host.api().wait_for_interval_of(job, |view| view["replaces"] == interval);
    assert_eq!(replacement["origin"], "fallback", "{replacement}");
    replacement
}

fn assert_lines_in_order(log: &str, lines: &[String]) {
    let mut rest = log;
    for line in lines {
        let place = rest.find(line.as_str());
        rest = &rest[place.unwrap_or_else(|| panic!("`{line}` is missing or not in its place in:\n{log}"))..];
    }
}
