//! The HTTP API in this process, over a database of its own: no request makes a handler panic, none is answered as the
//! host's fault, and what a job was created with is what it shows.

use crate::dice::Dice;
use crate::rounds::fuzz;
use crate::{json, words};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use latchwork::api::{self, AppState};
use latchwork::clock::{Clock as _, SystemClock};
use latchwork::domain::ceilings::Ceilings;
use latchwork::domain::digest::Digest;
use latchwork::domain::host::Roles;
use latchwork::domain::ids::IncarnationId;
use latchwork::recovery_settings::RecoverySettings;
use latchwork::sandbox::{Allowed, AllowedDirectories, Compiler, Sandbox};
use latchwork::status::HostStatus;
use latchwork::store::{PluginVersion, SqliteStore, Store as _};
use latchwork::vault::{MasterKey, Vault};
use latchwork::wakeup::Wakeups;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// What is read of an answer.
const ANSWER_BYTES_MAX: usize = 64 << 20;

#[test]
fn jobs_as_they_are_created_and_changed() {
    let world = World::new();
    fuzz("jobs", move |dice| {
        let body = json::garbled(dice, words::JOBS);
        let (status, created) = world.send("POST", "/jobs", &body);
        // A payload that is deeper than this reader of JSON goes is taken as well.
        let Some(id) = created["id"].as_str().filter(|_| status == StatusCode::CREATED) else { return };
        let job = format!("/jobs/{id}");
        let same = world.send("PATCH", &job, "{}");
        assert_eq!((same.0, unstamped(&same.1)), (StatusCode::OK, unstamped(&created)), "{body}");
        let patch = json::garbled(dice, words::JOBS);
        let (status, changed) = world.send("PATCH", &job, &patch);
        if status == StatusCode::OK && changed == Value::Null {
            return;
        }
        let shown = world.send("GET", &job, "").1;
        let expected = if status == StatusCode::OK { &changed } else { &created };
        assert_eq!(unstamped(&shown), unstamped(expected), "{body}\n{patch}");
        assert_eq!(world.send("DELETE", &job, "").0, StatusCode::NO_CONTENT);
    });
}

#[test]
fn any_request() {
    let world = World::new();
    let (_, job) = world.send("POST", "/jobs", r#"{"name": "a", "plugin": "worker", "type": "manual"}"#);
    let job = job["id"].as_str().unwrap().to_owned();
    let (_, fired) = world.send("POST", &format!("/jobs/{job}/trigger"), "");
    let interval = fired["interval_id"].as_str().unwrap().to_owned();
    fuzz("requests", move |dice| {
        let (job, interval) = (id(dice, &job), id(dice, &interval));
        let (method, path) = request(dice, &job, &interval);
        let body = if method == "GET" { String::new() } else { json::garbled(dice, BODIES) };
        world.send(method, &format!("{path}{}", query(dice)), &body);
    });
}

const BODIES: &[&str] = &[
    r#"{"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "max_parallel": 3}"#,
    r#"{"reason": "because"}"#,
    r#"{"value": "s3cr3t/of the job"}"#,
    r#"{"note": null}"#,
];

const NAMES: &[&str] = &["worker", "default", "API_TOKEN", "a"];

const PARAMETERS: &[&str] = &[
    "limit=10",
    "after=5",
    "index=0",
    "state=failed",
    "type=cron",
    "type=interval",
    "interval=30s",
    "cron=0+3+*+*+*",
    "timezone=Europe/Berlin",
    "dst_gap=skip",
    "dst_fold=twice",
    "at=2096-01-31T12:00:00Z",
    "count=10",
    "from=2026-03-29T00:00:00Z",
];

/// All that the API takes beside `/jobs`. What is in braces is something that there is, or nearly.
const ROUTES: &[(&str, &str)] = &[
    ("GET", "/hosts"),
    ("POST", "/hosts/{name}/drain"),
    ("GET", "/plugins"),
    ("PUT", "/plugins/{name}"),
    ("GET", "/plugins/{name}"),
    ("DELETE", "/plugins/worker/{digest}"),
    ("GET", "/workspaces/{name}/secrets"),
    ("PUT", "/workspaces/{name}/secrets/{name}"),
    ("DELETE", "/workspaces/{name}/secrets/{name}"),
    ("GET", "/schedule/preview"),
    ("GET", "/schedule/preview"),
    ("POST", "/jobs/{job}/trigger"),
    ("POST", "/jobs/{job}/pause"),
    ("POST", "/jobs/{job}/resume"),
    ("POST", "/jobs/{job}/backfill"),
    ("GET", "/jobs/{job}/backfills"),
    ("GET", "/backfills/{job}"),
    ("POST", "/backfills/{job}/cancel"),
    ("GET", "/jobs/{job}/intervals"),
    ("GET", "/intervals/{interval}"),
    ("POST", "/intervals/{interval}/cancel"),
    ("POST", "/intervals/{interval}/retry"),
    ("GET", "/intervals/{interval}/events"),
    ("GET", "/intervals/{interval}/logs"),
    ("GET", "/intervals/{interval}/tasks"),
    ("GET", "/intervals/{interval}/tasks/{index}"),
    ("GET", "/{name}"),
];

fn request(dice: &mut Dice, job: &str, interval: &str) -> (&'static str, String) {
    let (method, route) = *dice.pick(ROUTES);
    let digest = percent(&dice.garbled(words::DIGESTS));
    let index = percent(&dice.garbled(&["0", "7"]));
    let name = percent(&dice.garbled(NAMES));
    let path =
        [("{job}", job), ("{interval}", interval), ("{digest}", &digest), ("{index}", &index), ("{name}", &name)]
            .iter()
            .fold(route.to_owned(), |path, (slot, value)| path.replace(slot, value));
    (method, path)
}

/// An id of something that there is, or a garbled one.
fn id(dice: &mut Dice, known: &str) -> String {
    if dice.once_in(4) { percent(&dice.garbled(words::IDS)) } else { known.to_owned() }
}

fn query(dice: &mut Dice) -> String {
    let parameters: Vec<String> = (0..dice.within(0..5)).map(|_| parameter(dice)).collect();
    format!("?{}", parameters.join("&"))
}

fn parameter(dice: &mut Dice) -> String {
    let garbled = dice.garbled(PARAMETERS);
    if dice.once_in(4) {
        return percent(&garbled);
    }
    let (name, value) = garbled.split_once('=').unwrap_or((&garbled, ""));
    format!("{}={}", percent(name), percent(value))
}

/// Every byte that a path does not take as it is.
fn percent(text: &str) -> String {
    let written = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'+' | b'*' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(written).collect()
}

/// A job without the instants at which things happened to it, and without a number whose last bit serde_json may read
/// otherwise than it was written.
fn unstamped(job: &Value) -> Value {
    let mut job = job.clone();
    for stamp in ["updated_at", "next_fire_at", "rate_limit", "max_failed"] {
        job[stamp] = Value::Null;
    }
    job
}

struct World {
    runtime: Runtime,
    router: Router,
    _files: TempDir,
}

impl World {
    fn new() -> Self {
        let files = TempDir::new().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let state = runtime.block_on(state(&files));
        Self { runtime, router: api::router(state), _files: files }
    }

    /// Sends a request, and checks of the answer what holds for all of them.
    fn send(&self, method: &str, path: &str, body: &str) -> (StatusCode, Value) {
        // No longer than what hyper takes.
        let path = &path[..path.len().min(8_192)];
        let json = "application/json";
        // Without the latter, events would come for as long as the interval is open.
        let request = Request::builder().header(header::CONTENT_TYPE, json).header(header::ACCEPT, json);
        let request = request.method(method).uri(path);
        let request = request.body(Body::from(body.to_owned())).unwrap_or_else(|error| panic!("{path}: {error}"));
        let (status, bytes) = self.runtime.block_on(async {
            let answer = self.router.clone().oneshot(request).await.unwrap();
            let (parts, body) = answer.into_parts();
            (parts.status, to_bytes(body, ANSWER_BYTES_MAX).await.unwrap())
        });
        let answer = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        assert!(!status.is_server_error(), "{method} {path}: {status} {answer}\n{body}");
        if status.is_client_error() {
            assert!(
                answer["code"].is_string() && answer["status"] == json!(status.as_u16()),
                "{method} {path}: {answer}"
            );
        }
        (status, answer)
    }
}

async fn state(files: &TempDir) -> AppState {
    let store = SqliteStore::open(&files.path().join("latchwork.db")).await.unwrap();
    let now = SystemClock.now();
    let wasm = b"whatever it is";
    let version = PluginVersion {
        name: "worker".to_owned(),
        digest: Digest::of(wasm),
        size_bytes: wasm.len() as u64,
        imports: Vec::new(),
        uploaded_at: now,
    };
    store.put_plugin(&version, wasm).await.unwrap();
    AppState {
        store: Arc::new(store),
        sandbox: Arc::new(Sandbox::new(Compiler::within_this_process()).unwrap()),
        clock: Arc::new(SystemClock),
        status: Arc::new(HostStatus::new("a".to_owned(), IncarnationId::generate())),
        roles: Roles::default(),
        wakeups: Wakeups::default(),
        ceilings: Ceilings::default(),
        allowed: Allowed { directories: AllowedDirectories::new(vec!["/tmp".parse().unwrap()]), ..Allowed::default() },
        vault: Arc::new(Vault::new(MasterKey::parse(words::KEYS[0]).unwrap(), None)),
        recovery: RecoverySettings {
            is_enabled: true,
            is_default: true,
            check_every: Duration::from_secs(5),
            attempts_max: 3,
        },
        upload_bytes_max: 1 << 20,
        streams: Arc::new(Semaphore::new(api::STREAMS_MAX)),
        stop: CancellationToken::new(),
    }
}
