//! The database goes away and comes back, in one way after the other.

use latchwork_tests::server::url;
use latchwork_tests::{Cable, Host, HostBuilder, PostgresServer, Witness, text, wait_for};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const TASKS: u32 = 120;
const MAX_PARALLEL: u32 = 3;

/// What a request may take while the database is away: nobody is kept waiting without an answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(15);

/// One host on a cable, in the middle of an interval.
struct Scene {
    witness: Witness,
    server: PostgresServer,
    cable: Cable,
    builder: HostBuilder,
    host: Host,
    interval: String,
}

impl Scene {
    fn new(connections_max: u16) -> Self {
        let (server, witness) = (PostgresServer::start(connections_max), Witness::new());
        let cable = Cable::to(server.port());
        let builder = HostBuilder::new()
            .flag("--allow-dir", witness.allowed())
            .flag("--recovery-check-interval", 1)
            .variable("DATABASE_URL", &url(cable.port()));
        let host = builder.start();
        host.api.upload_plugin("misbehave");
        let fields = json!({ "tasks": TASKS, "max_parallel": MAX_PARALLEL, "grants": witness.grants() });
        let interval = host.api.trigger(&host.api.manual_job("misbehave", &witness.payload(20), fields));
        wait_for("tasks to run", || (witness.call_count() >= 10).then_some(()));
        Self { witness, server, cable, builder, host, interval }
    }

    /// Waits until the host says what is wrong, and checks that it answers everything else at once, too.
    fn assert_complains(&self, expected: &str) {
        wait_for("the host to notice", || self.host.complaint().filter(|reason| reason.contains(expected)));
        assert!(self.witness.call_count() < u64::from(TASKS), "the fault came too late");
        let asked = Instant::now();
        let answer = self.host.api.look("/jobs").expect("the host answers");
        assert!(asked.elapsed() < ANSWERED_WITHIN, "{:?}", asked.elapsed());
        assert_eq!((answer.status, &answer.body["code"]), (503, &json!("database_unavailable")), "{}", answer.body);
        assert_eq!(answer.retry_after.as_deref(), Some("1"));
    }

    /// Checks that the host goes on where it was: what ran meanwhile is recorded, and nothing runs again.
    fn assert_goes_on(self) {
        let health = wait_for("the host to be well", || self.host.api.look("/health").filter(|now| now.status == 200));
        assert_eq!(health.body["checks"]["database"], json!({ "status": "ok" }), "{}", health.body);
        let ended = self.ended();
        assert_eq!((&ended["state"], &ended["completed"]), (&json!("succeeded"), &json!(TASKS)), "{ended}");
        assert_eq!((self.witness.call_count(), &ended["duplicates"]), (u64::from(TASKS), &json!(0)), "{ended}");
        let log = self.host.log();
        let told = |what: &str| log.lines().filter(|line| line.contains(what)).count();
        assert_eq!(told("The database cannot be used"), told("The database is back after"), "{log}");
        assert!((1..=2).contains(&told("The database cannot be used")), "{log}");
        let of_the_start = told("Running as root");
        assert!(told(" WARN ") + told("ERROR") - of_the_start < 8, "an outage is no flood:\n{log}");
    }

    fn ended(&self) -> Value {
        let path = format!("/intervals/{}", self.interval);
        wait_for("the interval to end", || {
            let answer = self.host.api.look(&path).filter(|answer| answer.status == 200)?;
            (answer.body["state"] != "running").then_some(answer.body)
        })
    }
}

#[test]
fn a_server_that_crashes_is_waited_for_and_what_has_run_is_recorded() {
    let scene = Scene::new(50);
    scene.server.crash();
    scene.assert_complains(&format!("127.0.0.1:{}", scene.cable.port()));
    scene.server.start_again();
    scene.assert_goes_on();
}

#[test]
fn a_cable_that_is_cut_without_a_word_is_noticed_and_nothing_hangs() {
    let scene = Scene::new(50);
    scene.cable.cut();
    scene.assert_complains("does not answer");
    scene.cable.mend();
    scene.assert_goes_on();
}

#[test]
fn a_server_that_takes_no_writes_is_one_that_is_away() {
    let scene = Scene::new(50);
    scene.server.run("alter system set default_transaction_read_only = on");
    scene.server.run("select pg_reload_conf()");
    scene.assert_complains("takes no writes");
    scene.server.run("alter system set default_transaction_read_only = off");
    scene.server.run("select pg_reload_conf()");
    scene.assert_goes_on();
}

#[test]
fn a_server_without_room_for_another_connection_is_waited_for() {
    let scene = Scene::new(12);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut taken = vec![runtime.block_on(scene.server.connect()).unwrap()];
    let end_others = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
        where application_name = 'latchwork' and pid <> pg_backend_pid()";
    wait_for("the host to notice", || {
        runtime.block_on(async {
            while let Ok(another) = scene.server.connect().await {
                taken.push(another);
            }
            sqlx::query(end_others).execute(&mut taken[0]).await.unwrap();
        });
        // Too many clients.
        scene.host.complaint().filter(|reason| reason.contains("53300"))
    });
    drop(taken);
    scene.assert_goes_on();
}

#[test]
fn a_host_that_was_paused_for_longer_than_its_lease_is_refused() {
    let scene = Scene::new(50);
    let Scene { witness, server, builder, host, interval, .. } = &scene;
    host.signal("STOP");
    let other = HostBuilder::new()
        .flag("--allow-dir", witness.allowed())
        .flag("--recovery-check-interval", 1)
        .variable("DATABASE_URL", &server.url());
    let other = other.start();
    other.api.wait_for_interval(interval, |view| view["recovery_attempts"] == json!(1));
    host.signal("CONT");
    let ended = other.api.ended(interval);
    assert_eq!((&ended["state"], &ended["completed"]), (&json!("succeeded"), &json!(TASKS)), "{ended}");
    let duplicates = ended["duplicates"].as_u64().unwrap();
    assert!(duplicates <= u64::from(MAX_PARALLEL), "{ended}");
    assert!(witness.call_count() <= u64::from(TASKS) + duplicates, "what it had in flight alone ran twice");
    assert_eq!(witness.calls().len(), TASKS as usize, "every task was called");
    let log = || std::fs::read_to_string(builder.log()).unwrap();
    wait_for("the paused host to stop", || log().contains("Another host has taken over").then_some(()));
}

#[test]
fn a_host_that_starts_before_its_database_waits_for_it_and_says_so() {
    let server = PostgresServer::start(50);
    server.stop();
    let host = HostBuilder::new().variable("DATABASE_URL", &server.url()).start();
    let health = host.api.look("/health").unwrap();
    assert_eq!((health.status, &health.body["status"]), (503, &json!("starting")), "{}", health.body);
    let reason = text(&health.body["checks"]["database"]["reason"]);
    assert!(reason.contains(&format!("127.0.0.1:{}", server.port())), "{reason}");
    let answer = host.api.look("/jobs").unwrap();
    assert_eq!((answer.status, &answer.body["code"]), (503, &json!("starting")), "{}", answer.body);
    server.start_again();
    wait_for("the host to serve", || host.api.look("/health").filter(|health| health.status == 200));
    host.api.upload_plugin("misbehave");
    host.api.assert_goes_on();
    assert!(host.stop().success());
}

#[test]
fn a_database_that_does_not_come_ends_the_start_and_its_password_stays_secret() {
    let server = PostgresServer::start(50);
    server.stop();
    let builder = HostBuilder::new().variable("DATABASE_URL", &server.url()).flag("--database-wait", "1s");
    let output = builder.command().output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{said}");
    let expected =
        format!("the database postgres://127.0.0.1:{}/postgres (DATABASE_URL) cannot be used", server.port());
    assert!(said.contains(&expected) && !said.contains("secret"), "{said}");
}
