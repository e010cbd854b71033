//! Several real hosts on one PostgreSQL: roles, labels, leaving, and taking over.

use latchwork_tests::{Host, HostBuilder, PostgresDatabase, Witness, host_binary, instant, text, wait_for};
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant};

/// A database, an observer, and the hosts on both.
struct Cluster {
    database: PostgresDatabase,
    witness: Witness,
}

impl Cluster {
    fn new() -> Self {
        Self { database: PostgresDatabase::blocking(), witness: Witness::new() }
    }

    fn host(&self, id: &str) -> HostBuilder {
        let builder = HostBuilder::new().variable("DATABASE_URL", &self.database.url());
        builder.flag("--allow-dir", self.witness.allowed()).flag("--host-id", id)
    }

    /// Starts an interval whose tasks take so long.
    fn start(&self, host: &Host, ms: u64, fields: Value) -> String {
        let mut rest = json!({ "grants": self.witness.grants(), "timeout": "2h" });
        rest.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        host.api.trigger(&host.api.manual_job("misbehave", &self.witness.payload(ms), rest))
    }

    fn wait_for_calls(&self, count: u64) {
        wait_for("calls", || (self.witness.call_count() >= count).then_some(()));
    }
}

/// The incarnation of a host that was started last, as another host tells of it.
fn told(by: &Host, id: &str) -> Value {
    let hosts = by.api.get("/hosts");
    let host = hosts["hosts"].as_array().unwrap().iter().find(|host| host["host_id"] == id);
    host.unwrap_or_else(|| panic!("{id} is not in {hosts}")).clone()
}

pub(crate) fn cli(host: &Host, arguments: &[&str]) -> String {
    let output = Command::new(host_binary()).args(["--server", host.api.server()]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn each_host_does_what_its_roles_say_and_nothing_else() {
    let cluster = Cluster::new();
    let api = cluster.host("answers").flag("--roles", "api").start();
    api.api.upload_plugin("misbehave");
    let fields = json!({ "name": "often", "plugin": "misbehave", "payload": { "act": "succeed" },
        "type": "interval", "interval": "1s" });
    let job = api.api.create_job(&fields);
    let waiting = api.api.trigger(&job);
    let view = api.api.wait_for_interval(&waiting, |view| view["waits_for"].is_string());
    assert_eq!(view["waits_for"], "no living host has the role worker", "{view}");

    let worker = cluster.host("works").flag("--roles", "worker").start();
    assert_eq!(api.api.ended(&waiting)["state"], "succeeded");
    let (status, problem) = worker.api.send("GET", "/jobs", None);
    assert_eq!((status, &problem["code"]), (404, &json!("no_api_role")), "{problem}");
    assert!(text(&problem["detail"]).contains("its roles are worker"), "{problem}");
    assert_eq!(worker.api.get("/health")["host_id"], "works");
    assert_eq!(api.api.intervals(&job).len(), 1, "nobody fires");

    let scheduler = cluster.host("fires").flag("--roles", "scheduler").start();
    api.api.wait_for_interval_of(&job, |view| view["origin"] == "schedule" && view["state"] == "succeeded");
    assert_eq!(told(&api, "fires")["roles"], json!(["scheduler"]));
    assert_eq!(told(&api, "fires")["held_segments"], 0);
    drop(scheduler);
}

#[test]
fn an_interval_runs_where_its_required_labels_are_and_says_so_where_they_are_nowhere() {
    let cluster = Cluster::new();
    let plain = cluster.host("plain").flag("--labels", "zone=a").start();
    plain.api.upload_plugin("misbehave");
    let payload = cluster.witness.payload(0).to_string();
    let flags = ["job", "create", "--name", "picky", "--plugin", "misbehave", "--requires", "gpu=yes,zone=b"];
    let created = cli(&plain, &[&flags[..], &["--payload", &payload, "--json"]].concat());
    let created: Value = serde_json::from_str(&created).unwrap();
    assert_eq!(created["requires"], json!({ "gpu": "yes", "zone": "b" }), "{created}");
    let missing = "none of 1 living workers has the labels gpu=yes,zone=b";
    assert!(text(&created["warning"]).contains(missing), "{created}");

    let grants = json!({ "grants": cluster.witness.grants() });
    let (status, edited) = plain.api.send("PATCH", &format!("/jobs/{}", text(&created["id"])), Some(&grants));
    assert_eq!(status, 200, "{edited}");
    let interval = plain.api.trigger(&text(&created["id"]));
    let view = plain.api.wait_for_interval(&interval, |view| view["waits_for"].is_string());
    assert!(text(&view["waits_for"]).contains(missing), "{view}");
    assert!(cli(&plain, &["interval", "show", &interval]).contains(missing));
    assert_eq!(plain.api.ended(&cluster.start(&plain, 0, json!({})))["state"], "succeeded", "others go on");
    cluster.witness.forget();
    assert_eq!(plain.api.interval(&interval)["state"], "pending");

    let fit = cluster.host("fit").flag("--labels", "zone=b,gpu=yes").start();
    assert_eq!(plain.api.ended(&interval)["state"], "succeeded");
    assert!(plain.api.get(&format!("/jobs/{}", text(&created["id"])))["warning"].is_null());
    assert!(fit.log().contains(&format!("All tasks completed for interval {interval}")), "{}", fit.log());
    let wrong = json!({ "name": "n", "plugin": "misbehave", "type": "manual", "requires": { "gpu": "" } });
    let (status, problem) = plain.api.send("POST", "/jobs", Some(&wrong));
    assert_eq!((status, &problem["code"]), (422, &json!("invalid_field")), "{problem}");
    assert!(text(&problem["detail"]).starts_with("`requires`"), "{problem}");
}

#[test]
fn a_host_that_is_drained_ends_its_tasks_leaves_and_others_go_on() {
    let cluster = Cluster::new();
    let leaving = cluster.host("leaving").start();
    leaving.api.upload_plugin("misbehave");
    let interval = cluster.start(&leaving, 300, json!({ "tasks": 600, "max_parallel": 4 }));
    cluster.wait_for_calls(4);
    let staying = cluster.host("staying").start();
    let listed = cli(&staying, &["host", "list"]);
    assert!(listed.contains("leaving") && listed.contains("alive") && listed.contains("api,scheduler,worker"));
    let shown = told(&staying, "leaving");
    assert!(shown["held_segments"].as_u64() > Some(0), "{shown}");
    assert_eq!(format!("http://{}", text(&shown["address"])), leaving.api.server());

    let drained = cli(&staying, &["host", "drain", "leaving"]);
    assert!(drained.contains("draining") || drained.contains("ended"), "{drained}");
    let log = leaving.log();
    assert_eq!(leaving.wait().code(), Some(0), "{log}");
    let left = told(&staying, "leaving");
    assert_eq!((&left["state"], &left["held_segments"]), (&json!("ended"), &json!(0)), "{left}");
    let (status, problem) = staying.api.send("POST", "/hosts/leaving/drain", None);
    assert_eq!((status, &problem["code"]), (409, &json!("host_ended")), "{problem}");
    let (status, problem) = staying.api.send("POST", "/hosts/nobody/drain", None);
    assert_eq!((status, &problem["code"]), (404, &json!("not_found")), "{problem}");

    let calls = cluster.witness.call_count();
    cluster.wait_for_calls(calls + 8);
    let view = staying.api.interval(&interval);
    assert_eq!((&view["duplicates"], &view["recovery_attempts"]), (&json!(0), &json!(0)), "{view}");
    staying.api.send("POST", &format!("/intervals/{interval}/cancel"), None);
}

#[test]
fn a_killed_hosts_work_is_taken_over_within_five_seconds_and_a_living_ones_never() {
    let cluster = Cluster::new();
    let mut hosts = Vec::from(["one", "two"].map(|id| cluster.host(id).flag("--labels", format!("host={id}")).start()));
    hosts[0].api.upload_plugin("misbehave");
    for id in ["one", "two"] {
        // Each has compiled the plugin before anything is measured.
        let ready = cluster.start(&hosts[0], 0, json!({ "requires": { "host": id } }));
        assert_eq!(hosts[0].api.ended(&ready)["state"], "succeeded");
        cluster.witness.forget();
    }
    // Longer than a lease: while its host lives, nobody takes it over.
    let long = hosts[0].api.ended(&cluster.start(&hosts[0], 7_000, json!({})));
    assert_eq!((&long["state"], &long["duplicates"]), (&json!("succeeded"), &json!(0)), "{long}");
    assert_eq!(cluster.witness.call_count(), 1);
    cluster.witness.forget();

    let interval = cluster.start(&hosts[0], 3_600_000, json!({}));
    cluster.wait_for_calls(1);
    let works = told(&hosts[0], "one")["running_tasks"] == 1;
    let dying = hosts.remove(usize::from(!works));
    dying.kill();
    let killed = Instant::now();
    cluster.wait_for_calls(2);
    let took = killed.elapsed();
    assert!(took < Duration::from_secs(5), "the other host's first call came after {took:?}");
    assert_eq!(hosts[0].api.interval(&interval)["duplicates"], 1);
    hosts[0].api.send("POST", &format!("/intervals/{interval}/cancel"), None);
}

#[test]
fn a_host_whose_clock_is_an_hour_off_goes_by_the_databases() {
    for ahead_ms in ["3600000", "-3600000"] {
        let cluster = Cluster::new();
        let right = cluster.host("right").start();
        right.api.upload_plugin("misbehave");
        let fields = json!({ "name": "later", "plugin": "misbehave", "payload": { "act": "succeed" },
            "type": "interval", "interval": "30m" });
        let job = right.api.create_job(&fields);
        let interval = cluster.start(&right, 6_000, json!({}));
        cluster.wait_for_calls(1);

        let off = cluster.host("off").variable("LATCHWORK_TEST_CLOCK_AHEAD_MS", ahead_ms).start();
        let ended = off.api.ended(&interval);
        assert_eq!((&ended["state"], &ended["recovery_attempts"]), (&json!("succeeded"), &json!(0)), "{ended}");
        assert!(off.api.intervals(&job).is_empty(), "{ahead_ms}: it fired early");
        let (one, other) = (told(&right, "right"), told(&right, "off"));
        assert_eq!((&one["state"], &other["state"]), (&json!("alive"), &json!("alive")), "{ahead_ms}");
        assert!(instant(&other["started_at"]).abs_diff(instant(&one["started_at"])) < 60_000, "{one} {other}");
        let warned = off.log().matches("by which this host goes; set it right").count();
        assert_eq!(warned, 1, "{ahead_ms}: {}", off.log());

        // It fires in time, too, and what it keeps is the database's time.
        let soon = json!({ "name": "soon", "plugin": "misbehave", "payload": { "act": "succeed" },
            "type": "interval", "interval": "1s" });
        drop(right);
        let soon = off.api.create_job(&soon);
        let fired = off.api.wait_for_interval_of(&soon, |view| view["state"] == "succeeded");
        assert!(instant(&fired["scheduled_at"]).abs_diff(instant(&one["started_at"])) < 120_000, "{fired}");
    }
}
