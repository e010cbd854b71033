//! The commands of the binary, as a person types them and a script reads them.

use latchwork_tests::{Host, HostBuilder, host_binary, text};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

#[test]
fn a_plugin_is_uploaded_under_its_files_name_and_listed() {
    let world = World::new();
    let uploaded = world.says(&["plugin", "upload", &world.file("misbehave")]);
    assert!(uploaded.contains("misbehave") && uploaded.contains("new version"), "{uploaded}");
    assert!(world.says(&["plugin", "upload", &world.file("misbehave")]).contains("same version as before"));
    world.says(&["plugin", "upload", &world.file("hello"), "--name", "greeter"]);
    let listed = world.says(&["plugin", "list"]);
    assert!(listed.contains("greeter") && listed.contains("misbehave") && !listed.contains("hello"), "{listed}");
    let digest = &world.host.api.get("/plugins")["plugins"][0]["digest"];
    assert_eq!(&world.json(&["plugin", "list"])["plugins"][0]["digest"], digest);
}

#[test]
fn a_job_is_created_by_flags_by_stdin_or_by_both() {
    let world = World::with_plugin();
    let flags = ["job", "create", "--name", "by-flags", "--plugin", "misbehave", "--interval", "30m"];
    let created = world.json(&[&flags[..], &["--payload", r#"{"act":"succeed"}"#, "--max-parallel", "3"]].concat());
    assert_eq!((&created["type"], &created["interval"]), (&json!("interval"), &json!("30m")), "{created}");
    assert_eq!((&created["max_parallel"], &created["payload"]["act"]), (&json!(3), &json!("succeed")), "{created}");

    let file = json!({ "name": "by-stdin", "plugin": "misbehave", "type": "manual", "tasks": 4 }).to_string();
    let created = world.json_of(&["job", "create", "--file", "-", "--tasks", "9"], &file);
    assert_eq!((&created["name"], &created["type"]), (&json!("by-stdin"), &json!("manual")), "{created}");
    assert_eq!(created["tasks"], 9, "flags are laid over the file");
    let id_by_stdin = text(&created["id"]);

    let file =
        json!({ "name": "r", "plugin": "misbehave", "retry": { "max_attempts": 9, "backoff": "2s" } }).to_string();
    let limits = ["--memory-limit-bytes", "1048576", "--retry-max-attempts", "4", "--retry-factor", "1.5"];
    let created =
        world.json_of(&[&["job", "create", "--file", "-", "--retry-max-backoff", "7s"], &limits[..]].concat(), &file);
    assert_eq!(created["memory_limit_bytes"], 1_048_576, "{created}");
    let retry = json!({ "max_attempts": 4, "backoff": "2s", "factor": 1.5, "max_backoff": "7s", "jitter": true });
    assert_eq!(created["retry"], retry, "flags are laid over the file, field by field");

    let listed = world.says(&["job", "list"]);
    assert!(listed.contains("by-flags") && listed.contains("every 30m") && listed.contains("by-stdin"), "{listed}");
    let shown = world.says(&["job", "show", "by-stdin"]);
    assert!(shown.contains(&id_by_stdin) && shown.contains("manual"), "{shown}");
}

#[test]
fn a_job_is_shown_with_its_policies() {
    let world = World::with_plugin();
    let flags = ["job", "create", "--name", "policies", "--plugin", "misbehave", "--cron", "@daily", "--tasks", "4"];
    let firing = ["--overlap", "queue", "--queue-max", "3", "--catch-up", "all", "--catch-up-within", "12h"];
    let rest = ["--keep-intervals", "9", "--max-failed", "5%", "--retry-max-attempts", "2", "--workspace-id", "ours"];
    let shown = world.says(&[&flags[..], &firing[..], &rest[..]].concat());
    let lines: Vec<String> = shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for expected in [
        "tasks 4",
        "overlap queue, at most 3 wait",
        "catch up all, at most 100, none older than 12h",
        "kept the latest 9 intervals",
        "on upgrade finish",
        "max failed 5%",
        "retry 2 attempts, the first wait 1s, each further one 2 times longer, to 5m",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected} is missing in: {shown}");
    }
    assert!(!shown.contains("priority") && !shown.contains("jitter"), "what says nothing is left out: {shown}");
    assert_eq!(world.json(&["job", "show", "policies"])["workspace_id"], "ours");
}

#[test]
fn a_job_is_shown_with_what_its_tasks_may_use_and_reach() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().display().to_string();
    let host = HostBuilder::new()
        .flag("--allow-dir", &path)
        .flag("--allow-http", "https://*.example.com")
        .variable("LATCHWORK_SECRETS_KEY", &"7".repeat(64))
        .start();
    let world = World { host, files: TempDir::new().unwrap() };
    world.host.api.upload_plugin("misbehave");
    let value = json!({ "value": "hunter2" });
    assert_eq!(world.host.api.send("PUT", "/workspaces/default/secrets/TOKEN", Some(&value)).0, 201);
    let (seen, secret) = (format!("{path}:/data"), "TOKEN:API_TOKEN");
    let grants = ["--grant-dir", &seen, "--grant-http", "GET,HEAD=https://api.example.com", "--grant-secret", secret];
    let rest = ["--grant-config", "REGION=eu", "--cpu-limit", "7s", "--weight", "3", "--warm-calls", "5"];
    let flags = ["job", "create", "--name", "bounds", "--plugin", "misbehave", "--type", "manual"];
    let shown = world.says(&[&flags[..], &grants[..], &rest[..]].concat());
    let lines: Vec<String> = shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for expected in [
        "limits CPU 7s, memory 128.00 MiB, output 1.00 MiB, checkpoint 1.00 MiB, log 256.00 KiB, keys 64.00 MiB, random \
         1.00 MiB, HTTP bodies 16.00 MiB, 512 handles",
        "weight 3",
        "warm calls 5",
        &format!("directories {path} as /data (read)"),
        "servers GET,HEAD=https://api.example.com:443",
        "config REGION=eu",
        "secrets TOKEN as API_TOKEN (placeholder)",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected} is missing in: {shown}");
    }
}

#[test]
fn a_job_waits_for_another_that_is_named_by_its_name() {
    let world = World::with_plugin();
    let first = text(&world.create("first", "null", 1)["id"]);
    let flags = ["job", "create", "--name", "then", "--plugin", "misbehave", "--after"];
    let created = world.json(&[&flags[..], &["first", "--after-on", "any"]].concat());
    assert_eq!(created["after"], json!({ "job": first, "on": "any" }));
    let edited = world.json(&["job", "edit", "then", "--after", &first]);
    assert_eq!(edited["after"], json!({ "job": first, "on": "success" }));
    let message = failure(&world.command(&[&flags[..], &["nobody"]].concat()).output().unwrap());
    assert!(message.contains("no job has the id or the name \"nobody\""), "{message}");
}

#[test]
fn a_job_that_the_host_refuses_is_an_error_in_the_hosts_words() {
    let world = World::with_plugin();
    let output =
        world.command(&["job", "create", "--name", "n", "--plugin", "misbehave", "--interval", "soon"]).output();
    let message = failure(&output.unwrap());
    assert!(message.starts_with("error: `interval`: `soon` is not a duration"), "{message}");
    assert!(message.contains("(invalid_field)"), "{message}");
}

#[test]
fn a_triggered_interval_can_be_watched_to_its_end() {
    let world = World::with_plugin();
    world.create("fine", r#"{"act":"chatter","lines":1}"#, 3);
    let watched = world.command(&["job", "trigger", "fine", "--watch"]).output().unwrap();
    assert_eq!(watched.status.code(), Some(0), "{watched:?}");
    let summary = String::from_utf8(watched.stdout).unwrap();
    assert!(summary.contains("succeeded") && summary.contains("3 of 3 tasks completed"), "{summary}");

    world.create("ill", r#"{"act":"fatal","only":[1]}"#, 3);
    let watched = world.command(&["job", "trigger", "ill", "--watch"]).output().unwrap();
    assert_eq!(watched.status.code(), Some(1), "an interval that failed is told by the exit code");
    let summary = String::from_utf8(watched.stdout).unwrap();
    assert!(summary.contains("failed") && summary.contains("2 of 3 tasks completed, 1 failed"), "{summary}");
}

#[test]
fn an_interval_is_shown_with_its_tasks_and_its_log() {
    let world = World::with_plugin();
    world.create("mixed", r#"{"act":"panic","only":[1]}"#, 3);
    let interval = world.says(&["job", "trigger", "mixed"]).trim().to_owned();
    let watched = world.command(&["interval", "watch", &interval]).output().unwrap();
    assert_eq!(watched.status.code(), Some(1), "{watched:?}");

    let listed = world.says(&["interval", "list", "--job", "mixed"]);
    assert!(listed.contains(&interval) && listed.contains("failed") && listed.contains("2/3"), "{listed}");
    let shown = world.says(&["interval", "show", &interval]);
    assert!(shown.contains("2 of 3 completed, 1 failed, 0 running"), "{shown}");
    assert_eq!(world.json(&["interval", "show", &interval])["completed_indices"], "0,2");

    let tasks = world.says(&["interval", "tasks", &interval]);
    assert_eq!(tasks.matches("succeeded").count(), 2, "{tasks}");
    let failed = world.says(&["interval", "tasks", &interval, "--state", "failed"]);
    assert!(failed.contains("trap") && !failed.contains("succeeded"), "{failed}");
    let log = world.says(&["interval", "logs", &interval, "--index", "1"]);
    assert!(log.contains("task 1 panics, as its payload says") && log.contains("#1"), "{log}");
    assert_eq!(world.says(&["interval", "logs", &interval, "--index", "0"]), "");
}

#[test]
fn as_many_intervals_are_listed_as_are_asked_for() {
    let world = World::with_plugin();
    world.create("often", r#"{"act":"succeed"}"#, 1);
    let intervals = [(); 3].map(|()| world.says(&["job", "trigger", "often"]).trim().to_owned());
    let listed = world.json(&["interval", "list", "--job", "often", "--limit", "2"]);
    let ids: Vec<_> = listed["intervals"].as_array().unwrap().iter().map(|interval| text(&interval["id"])).collect();
    assert_eq!(ids, [&*intervals[2], &intervals[1]], "the newest first");
    let refused = world.command(&["interval", "list", "--job", "often", "--limit", "1001"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
}

#[test]
fn events_are_printed_and_followed_to_the_end() {
    let world = World::with_plugin();
    world.create("tides", r#"{"act":"emit","times":1,"name":"tide","body":"{\"high\":true}"}"#, 2);
    let interval = world.says(&["job", "trigger", "tides"]).trim().to_owned();
    let followed = success(world.command(&["interval", "events", &interval, "--follow"]).output().unwrap());
    assert_eq!(followed.lines().count(), 2, "{followed}");
    assert!(followed.lines().all(|line| line.ends_with(r#" tide {"high":true}"#)), "{followed}");
    assert_eq!(world.says(&["interval", "events", &interval]), followed);

    world.create("ill", r#"{"act":"fatal"}"#, 1);
    let interval = world.says(&["job", "trigger", "ill"]).trim().to_owned();
    let followed = world.command(&["interval", "events", &interval, "--follow", "--json"]).output().unwrap();
    assert_eq!((followed.status.code(), followed.stdout.as_slice()), (Some(1), &b""[..]), "{followed:?}");
}

#[test]
fn tasks_with_large_outputs_come_in_shorter_pages() {
    let world = World::with_plugin();
    let mebibyte = (1 << 20) - 2;
    world.create("large", &json!({ "act": "flood", "bytes": mebibyte }).to_string(), 20);
    let interval = world.says(&["job", "trigger", "large"]).trim().to_owned();
    world.host.api.ended(&interval);
    let printed = success(world.command(&["interval", "tasks", &interval, "--json"]).output().unwrap());
    let pages = serde_json::Deserializer::from_str(&printed).into_iter::<Value>();
    let lengths: Vec<_> = pages.map(|page| page.unwrap()["tasks"].as_array().unwrap().len()).collect();
    assert_eq!(lengths, [16, 4]);
}

#[test]
fn a_job_is_deleted_by_its_name() {
    let world = World::with_plugin();
    world.create("gone", r#"{"act":"succeed"}"#, 1);
    assert_eq!(world.says(&["job", "delete", "gone"]), "deleted gone\n");
    assert_eq!(world.host.api.get("/jobs"), json!({ "jobs": [] }));
    let message = failure(&world.command(&["job", "show", "gone"]).output().unwrap());
    assert!(message.contains("no job has the id or the name \"gone\""), "{message}");
}

#[test]
fn a_name_that_two_jobs_have_is_answered_with_their_ids() {
    let world = World::with_plugin();
    let ids = [(); 2].map(|()| text(&world.create("twin", "null", 1)["id"]));
    let message = failure(&world.command(&["job", "trigger", "twin"]).output().unwrap());
    assert!(ids.iter().all(|id| message.contains(id)), "{message}");
}

#[test]
fn where_no_host_answers_the_error_says_what_to_do() {
    let builder = HostBuilder::new();
    let host = builder.start();
    let server = host.api.server().to_owned();
    host.kill();
    let output = builder.bare_command().args(["--server", &server, "job", "list"]).output().unwrap();
    let message = failure(&output);
    assert!(message.contains(&server) && message.contains("latchwork serve"), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
}

struct World {
    host: Host,
    files: TempDir,
}

impl World {
    fn new() -> Self {
        Self { host: HostBuilder::new().start(), files: TempDir::new().unwrap() }
    }

    fn with_plugin() -> Self {
        let world = Self::new();
        world.host.api.upload_plugin("misbehave");
        world
    }

    /// A plugin as a file.
    fn file(&self, plugin: &str) -> String {
        let path = self.files.path().join(format!("{plugin}.wasm"));
        std::fs::write(&path, latchwork_tests::plugin(plugin)).unwrap();
        path.display().to_string()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(host_binary());
        command.env("LATCHWORK_SERVER", self.host.api.server()).env("NO_COLOR", "1").args(arguments);
        command
    }

    /// What a command that succeeds prints.
    fn says(&self, arguments: &[&str]) -> String {
        success(self.command(arguments).stdin(Stdio::null()).output().unwrap())
    }

    /// The same for scripts.
    fn json(&self, arguments: &[&str]) -> Value {
        self.json_of(arguments, "")
    }

    fn json_of(&self, arguments: &[&str], stdin: &str) -> Value {
        let mut command = self.command(arguments);
        command.arg("--json").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        serde_json::from_str(&success(child.wait_with_output().unwrap())).unwrap()
    }

    fn create(&self, name: &str, payload: &str, tasks: u32) -> Value {
        let tasks = tasks.to_string();
        let flags = ["--name", name, "--plugin", "misbehave", "--payload", payload, "--tasks", &tasks];
        // One attempt is enough: what fails here is meant to.
        let retry = json!({ "retry": { "max_attempts": 1 } }).to_string();
        self.json_of(&[&["job", "create", "--file", "-"], &flags[..]].concat(), &retry)
    }
}

fn success(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn failure(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}
