//! A task reaches the directories that its job was granted, as far as it was, and nothing beside them.

use latchwork_tests::{Host, HostBuilder, text};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

#[test]
fn a_granted_directory_can_be_read() {
    let world = World::new();
    let host = world.host("");
    for path in ["/data", "/data/inside.txt", "/data/deep/deeper.txt", "/data/deep/../inside.txt", "/data/inner-link"] {
        assert_eq!(world.probe(&host, path)["read"], true, "{path}");
    }
}

#[test]
fn nothing_outside_of_it_can_be_read_by_any_way() {
    let world = World::new();
    let host = world.host("");
    let secret = world.path("secret.txt").display().to_string();
    assert!(Path::new(&secret).exists(), "there is something to be found");
    let ways = [
        "/data/../secret.txt",
        "/data/deep/../../secret.txt",
        "/data/relative-link",
        "/data/absolute-link",
        "/data/outward/secret.txt",
        "/data/missing.txt",
        "/secret.txt",
        "/",
        "secret.txt",
        &secret,
    ];
    for path in ways {
        let probe = world.probe(&host, path);
        assert_eq!(probe["read"], false, "{path}: {probe}");
    }
}

#[test]
fn a_directory_granted_to_read_cannot_be_written_even_where_the_operator_would_allow_it() {
    let world = World::new();
    let host = world.host(":rw");
    let ended = world.write(&host, "read");
    assert_eq!(ended["state"], "failed", "{ended}");
    let task = host.api.task(&text(&ended["id"]), 0);
    assert_eq!(task["failure"]["kind"], "fatal", "{task}");
    assert!(text(&task["failure"]["message"]).contains("cannot create /data/0-1-"), "{task}");
    assert_eq!(world.written(), 0);

    let ended = world.write(&host, "read-write");
    assert_eq!(ended["state"], "succeeded", "{ended}");
    assert_eq!(world.written(), 1);
}

#[test]
fn a_job_is_refused_what_the_operator_does_not_allow_and_the_mend_is_named() {
    let world = World::new();
    let host = world.host("");
    let granted = world.path("granted");
    let outside = world.path("other");
    let missing = world.path("granted/missing");
    let file = world.path("granted/inside.txt");
    let upward = world.path("granted/..");
    let linked = world.path("granted/outward");
    let cases: [(&Path, &str, String); 7] = [
        (&outside, "read", format!("--allow-dir {}", outside.display())),
        (&granted, "read-write", format!("--allow-dir {}:rw", granted.display())),
        (&missing, "read", format!("{} does not exist", missing.display())),
        (&file, "read", "does not exist".to_owned()),
        (&upward, "read", "is not allowed for reading".to_owned()),
        (&linked, "read", "is not allowed for reading".to_owned()),
        (Path::new("/"), "read", "--allow-dir /".to_owned()),
    ];
    for (path, access, mend) in cases {
        let (status, problem) = host.api.send("POST", "/jobs", Some(&job(path, access, json!({ "act": "succeed" }))));
        assert_eq!((status, &problem["code"]), (422, &json!("invalid_field")), "{}: {problem}", path.display());
        let detail = text(&problem["detail"]);
        assert!(detail.starts_with("`grants.directories`") && detail.contains(&mend), "{}: {detail}", path.display());
    }
    assert_eq!(host.api.get("/jobs"), json!({ "jobs": [] }));
}

#[test]
fn a_directory_below_an_allowed_one_can_be_granted() {
    let world = World::new();
    let host = world.host("");
    let payload = json!({ "act": "probe", "path": "/data/deeper.txt" });
    let ended = world.run(&host, &job(&world.path("granted/deep"), "read", payload));
    assert_eq!(host.api.task(&text(&ended["id"]), 0)["output"]["read"], true, "{ended}");
}

#[test]
fn an_operator_who_takes_a_directory_back_keeps_later_intervals_out() {
    let world = World::new();
    let builder = world.builder("");
    let host = builder.start();
    host.api.upload_plugin("misbehave");
    let payload = json!({ "act": "probe", "path": "/data/inside.txt" });
    let mut grant = job(&world.path("granted"), "read", payload);
    grant["retry"] = json!({ "max_attempts": 1 });
    let job = host.api.create_job(&grant);
    assert_eq!(host.api.ended(&host.api.trigger(&job))["state"], "succeeded");
    host.stop();

    let builder = builder.without_flag("--allow-dir");
    let host = builder.start();
    let ended = host.api.ended(&host.api.trigger(&job));
    assert_eq!(ended["state"], "failed", "{ended}");
    let reason = text(&ended["reason"]);
    assert!(reason.contains("grants.directories") && reason.contains("--allow-dir"), "{reason}");
}

/// A granted directory with things in it, and things beside it that links in it point to.
struct World {
    root: TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { root: TempDir::new().unwrap() };
        std::fs::create_dir_all(world.path("granted/deep")).unwrap();
        std::fs::create_dir(world.path("other")).unwrap();
        for file in ["secret.txt", "other/secret.txt", "granted/inside.txt", "granted/deep/deeper.txt"] {
            std::fs::write(world.path(file), file).unwrap();
        }
        let links = [
            (PathBuf::from("inside.txt"), "inner-link"),
            (PathBuf::from("../secret.txt"), "relative-link"),
            (world.path("secret.txt"), "absolute-link"),
            (PathBuf::from("../other"), "outward"),
        ];
        for (target, link) in links {
            std::os::unix::fs::symlink(target, world.path("granted").join(link)).unwrap();
        }
        world
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().canonicalize().unwrap().join(path)
    }

    fn builder(&self, access: &str) -> HostBuilder {
        HostBuilder::new().flag("--allow-dir", format!("{}{access}", self.path("granted").display()))
    }

    fn host(&self, access: &str) -> Host {
        let host = self.builder(access).start();
        host.api.upload_plugin("misbehave");
        host
    }

    fn run(&self, host: &Host, job: &Value) -> Value {
        host.api.ended(&host.api.trigger(&host.api.create_job(job)))
    }

    /// What a task sees that tries to read a path.
    fn probe(&self, host: &Host, path: &str) -> Value {
        let ended = self.run(host, &job(&self.path("granted"), "read", json!({ "act": "probe", "path": path })));
        assert_eq!(ended["state"], "succeeded", "{ended}");
        host.api.task(&text(&ended["id"]), 0)["output"].clone()
    }

    fn write(&self, host: &Host, access: &str) -> Value {
        self.run(host, &job(&self.path("granted"), access, json!({ "act": "witness", "directory": "/data" })))
    }

    /// How many files tasks have left in the granted directory.
    fn written(&self) -> usize {
        let entries = self.path("granted").read_dir().unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("0-")).count()
    }
}

fn job(path: &Path, access: &str, payload: Value) -> Value {
    let directory = json!({ "path": path, "mount": "/data", "access": access });
    json!({
        "name": "granted", "plugin": "misbehave", "type": "manual", "payload": payload,
        "grants": { "directories": [directory] },
    })
}
