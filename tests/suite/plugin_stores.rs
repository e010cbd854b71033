//! The bytes of plugins outside of the database: in a directory that hosts share, and in a bucket.

use crate::world::{PLUGIN, START, at};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use latchwork::domain::digest::Digest;
use latchwork::store::{Objects, PluginVersion, SqliteStore, Store};
use latchwork_tests::{Host, HostBuilder, PostgresDatabase, plugin, text, wait_for};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// The files of a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    directory.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// A host without anything on its disk, on a database and a plugin store.
fn newcomer(database: &PostgresDatabase, store: &str) -> HostBuilder {
    HostBuilder::new().variable("DATABASE_URL", &database.url()).flag("--plugin-store", store)
}

/// Runs a new job well.
fn assert_runs(host: &Host) {
    let ended = host.api.run("misbehave", &json!({ "act": "succeed" }), json!({}));
    assert_eq!(ended["state"], "succeeded", "{ended}");
}

fn interval_of_a_new_job(host: &Host) -> String {
    host.api.trigger(&host.api.manual_job("misbehave", &json!({ "act": "succeed" }), json!({})))
}

async fn bytes_in_rows(database: &PostgresDatabase) -> i64 {
    let count = "select count(*) from components where wasm is not null";
    sqlx::query_scalar(count).fetch_one(&mut database.connect().await).await.unwrap()
}

fn blocking<T>(answer: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(answer)
}

#[test]
fn what_one_host_writes_to_a_shared_directory_another_reads_checks_and_removes() {
    let (database, shared) = (PostgresDatabase::blocking(), TempDir::new().unwrap());
    let store = format!("file://{}", shared.path().display());
    let first = newcomer(&database, &store).start();
    let (_, uploaded) = first.api.upload("misbehave", &plugin("misbehave"));
    assert_eq!(files(shared.path()).len(), 1, "{uploaded}");
    assert_eq!(blocking(bytes_in_rows(&database)), 0, "the database has none of it");
    let listed = first.api.get("/plugins");
    assert_eq!(listed["plugins"][0]["size_bytes"], json!(plugin("misbehave").len()), "{listed}");
    first.stop();

    let second = newcomer(&database, &store).start();
    assert_runs(&second);
    second.stop();
    let object = files(shared.path()).remove(0);
    std::fs::write(&object, "ruin").unwrap();
    let third = newcomer(&database, &store).start();
    let abandoned = third.api.ended(&interval_of_a_new_job(&third));
    assert!(text(&abandoned["reason"]).contains("is damaged"), "{abandoned}");
    third.api.upload_plugin("misbehave");
    assert_runs(&third);
    assert_ne!(files(shared.path()), [object], "the damaged one is replaced");
    assert_eq!(files(shared.path()).len(), 1);

    let path = format!("/plugins/misbehave/{}", text(&uploaded["digest"]));
    assert_eq!(third.api.send("DELETE", &path, None).0, 204);
    assert_eq!(files(shared.path()), Vec::<PathBuf>::new(), "it goes with its version");
}

#[test]
fn a_setting_that_changes_finds_what_is_in_rows_and_says_what_it_cannot_find() {
    let (database, shared) = (PostgresDatabase::blocking(), TempDir::new().unwrap());
    let store = format!("file://{}", shared.path().display());
    let host = newcomer(&database, "database").start();
    host.api.upload_plugin("misbehave");
    host.stop();
    let host = newcomer(&database, &store).start();
    assert_runs(&host);
    assert_eq!((files(shared.path()).len(), blocking(bytes_in_rows(&database))), (0, 1));
    host.api.upload_plugin("misbehave");
    assert_eq!((files(shared.path()).len(), blocking(bytes_in_rows(&database))), (1, 0), "the next upload moves it");
    host.stop();

    let cases =
        [(elsewhere(), "is not in the plugin store"), ("database".to_owned(), "lies in a plugin store outside")];
    for (setting, says) in cases {
        let host = newcomer(&database, &setting).start();
        let interval = interval_of_a_new_job(&host);
        wait_for("the host to say so", || host.log().contains(says).then_some(()));
        assert!(host.log().contains("LATCHWORK_PLUGIN_STORE"), "{}", host.log());
        let waiting = host.api.interval(&interval);
        assert_eq!(waiting["state"], "pending", "it is no fault of the interval: {waiting}");
        host.api.upload_plugin("misbehave");
        assert_eq!(host.api.ended(&interval)["state"], "succeeded");
        host.stop();
    }
}

/// A store that nobody has written to.
fn elsewhere() -> String {
    format!("file://{}", TempDir::new().unwrap().keep().display())
}

#[test]
fn a_bucket_is_asked_with_signed_requests_and_its_absence_is_no_loss() {
    let (database, bucket) = (PostgresDatabase::blocking(), Bucket::open());
    let builder = || bucket.known_to(newcomer(&database, "s3://plugins/of/ours"));
    let first = builder().start();
    let (_, uploaded) = first.api.upload("misbehave", &plugin("misbehave"));
    let names = bucket.names();
    assert!(names.len() == 1 && names[0].starts_with("/plugins/of/ours/"), "{names:?}");
    assert!(names[0].contains(&text(&uploaded["digest"])), "{names:?}");
    first.stop();

    let second = builder().start();
    assert_runs(&second);
    bucket.close();
    let (status, problem) = second.api.upload("hello", &plugin("hello"));
    assert_eq!((status, &problem["code"]), (503, &json!("plugin_store_unavailable")), "{problem}");
    assert!(text(&problem["detail"]).contains("s3://plugins/of/ours"), "{problem}");
    assert_eq!(second.api.send("GET", "/plugins/hello", None).0, 404, "nothing of it is kept");
    second.stop();

    let third = builder().start();
    let interval = interval_of_a_new_job(&third);
    wait_for("the host to say so", || third.log().contains("does not answer").then_some(()));
    bucket.reopen();
    assert_eq!(third.api.ended(&interval)["state"], "succeeded");
    let path = format!("/plugins/misbehave/{}", text(&uploaded["digest"]));
    assert_eq!(third.api.send("DELETE", &path, None).0, 204);
    assert_eq!(bucket.names(), Vec::<String>::new());
}

#[test]
fn a_place_that_cannot_be_used_stops_the_start_and_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let below = format!("file://{}/below", file.path().display());
    for (setting, says) in [(below.as_str(), below.as_str()), ("ftp://x", "s3://BUCKET/PREFIX")] {
        let output = HostBuilder::new().flag("--plugin-store", setting).command().output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && message.contains("LATCHWORK_PLUGIN_STORE"), "{message}");
        assert!(message.contains(says), "{message}");
    }
}

#[tokio::test]
async fn an_object_is_there_exactly_as_long_as_a_row_names_it() {
    let (place, shared) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let store = SqliteStore::open(&place.path().join("latchwork.db")).await.unwrap();
    let store = store.with_objects(Some(Objects::in_directory(shared.path()).unwrap()));
    let count = || files(shared.path()).len();
    let digest = Digest::of(b"shared");
    for (name, uploaded_at) in [(PLUGIN, START), ("another", START), (PLUGIN, at(1))] {
        let version = PluginVersion { name: name.to_owned(), digest, size_bytes: 6, imports: Vec::new(), uploaded_at };
        store.put_plugin(&version, b"shared").await.unwrap();
        assert_eq!(count(), 1, "the same bytes are there once");
    }
    assert_eq!(store.component(&digest).await.unwrap().as_deref(), Some(&b"shared"[..]));
    store.delete_plugin_version("another", &digest).await.unwrap();
    assert_eq!(count(), 1, "another name has it");

    let newer = Digest::of(b"newer");
    let version = PluginVersion {
        name: PLUGIN.to_owned(),
        digest: newer,
        size_bytes: 5,
        imports: Vec::new(),
        uploaded_at: at(2),
    };
    store.put_plugin(&version, b"newer").await.unwrap();
    assert_eq!(count(), 2);
    assert_eq!(store.remove_unused_versions(at(3), 9).await.unwrap(), [(PLUGIN.to_owned(), digest)]);
    assert_eq!(count(), 1);
    assert_eq!(store.component(&digest).await.unwrap(), None);
    store.delete_plugin_version(PLUGIN, &newer).await.unwrap();
    assert_eq!(count(), 0);
}

/// A store that speaks as much of S3 as it takes to keep objects, and refuses whoever does not sign.
struct Bucket {
    address: String,
    state: Arc<Mutex<Kept>>,
    _runtime: tokio::runtime::Runtime,
}

#[derive(Default)]
struct Kept {
    objects: BTreeMap<String, Bytes>,
    is_closed: bool,
}

const ACCESS_KEY: &str = "the-access-key";

impl Bucket {
    fn open() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let state = Arc::new(Mutex::new(Kept::default()));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&state));
        let router = router.layer(axum::extract::DefaultBodyLimit::disable());
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        runtime.spawn(async { axum::serve(listener, router).await });
        Self { address, state, _runtime: runtime }
    }

    /// Tells a host by the usual variables where the bucket is.
    fn known_to(&self, builder: HostBuilder) -> HostBuilder {
        builder
            .variable("AWS_ENDPOINT_URL", &format!("http://{}", self.address))
            .variable("AWS_ALLOW_HTTP", "true")
            .variable("AWS_REGION", "eu-central-1")
            .variable("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .variable("AWS_SECRET_ACCESS_KEY", "the-secret-key")
    }

    fn names(&self) -> Vec<String> {
        self.state.lock().unwrap().objects.keys().cloned().collect()
    }

    fn close(&self) {
        self.state.lock().unwrap().is_closed = true;
    }

    fn reopen(&self) {
        self.state.lock().unwrap().is_closed = false;
    }
}

async fn answer(
    State(state): State<Arc<Mutex<Kept>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_signed = ["AWS4-HMAC-SHA256", ACCESS_KEY, "/eu-central-1/s3/aws4_request", "SignedHeaders=", "Signature="];
    let mut kept = state.lock().unwrap();
    if kept.is_closed {
        return StatusCode::BAD_REQUEST.into_response();
    }
    if !is_signed.iter().all(|part| authorization.contains(part)) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let name = uri.path().to_owned();
    let marks = [(header::ETAG, "\"a\""), (header::LAST_MODIFIED, "Thu, 01 Jan 2026 00:00:00 GMT")];
    match method {
        Method::PUT => {
            kept.objects.insert(name, body);
            marks.into_response()
        }
        Method::GET => match kept.objects.get(&name) {
            Some(bytes) => (marks, bytes.clone()).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        },
        Method::DELETE => {
            kept.objects.remove(&name);
            StatusCode::NO_CONTENT.into_response()
        }
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}
