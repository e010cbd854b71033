//! A secret's value is nowhere but in the call that was granted it.

use crate::on_postgres::contents;
use latchwork_tests::{HostBuilder, PostgresDatabase, text};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// No text that is anywhere by chance, nor in base64 within a longer one: its length is a multiple of three.
const VALUE: &str = "correct-horse-battery-staple-7391417";

const VALUE_IN_BASE64: &str = "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5LXN0YXBsZS03MzkxNDE3";

/// What the value, or the key, looks like to whoever writes it down in one way or another.
fn forms() -> Vec<Vec<u8>> {
    let hex: String = VALUE.bytes().map(|byte| format!("{byte:02x}")).collect();
    let decimals = |text: &[u8]| text.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    let key_bytes: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&KEY[2 * at..2 * at + 2], 16).unwrap()).collect();
    vec![
        VALUE.into(),
        VALUE_IN_BASE64.into(),
        hex.to_uppercase().into(),
        hex.into(),
        decimals(VALUE.as_bytes()).into(),
        KEY.into(),
        KEY.to_uppercase().into(),
        decimals(&key_bytes).into(),
        key_bytes,
    ]
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn assert_not_in(place: &str, bytes: &[u8]) {
    for form in forms() {
        assert!(!holds(bytes, &form), "{place} holds {:?}", String::from_utf8_lossy(&form));
    }
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = directory.read_dir().unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// Reads all files of a host, with the database's log of writes.
fn assert_not_in_files(directory: &Path, wanted: &[&str]) {
    let files = files_below(directory);
    for name in wanted {
        assert!(files.iter().any(|file| file.ends_with(name)), "{name} is among {files:?}");
    }
    for file in files {
        assert_not_in(&file.display().to_string(), &std::fs::read(&file).unwrap());
    }
}

fn copy(from: &str, to: &str) {
    let output = HostBuilder::new().bare_command().args(["db", "copy", "--from", from, "--to", to]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_not_in("what `db copy` says", &[output.stdout, output.stderr].concat());
}

#[test]
fn what_is_looked_for_is_long_and_found() {
    assert_eq!(VALUE.len() * 4, VALUE_IN_BASE64.len() * 3);
    assert!(forms().iter().all(|form| form.len() >= 32));
    assert!(holds(b"a needle in hay", b"needle") && !holds(b"hay", b"needle"));
}

#[test]
fn a_value_is_in_no_file_no_log_no_answer_and_no_copy() {
    let builder = HostBuilder::new().variable("LATCHWORK_SECRETS_KEY", KEY).variable("RUST_LOG", "trace");
    let host = builder.start();
    let api = &host.api;
    api.upload_plugin("misbehave");
    let mut answers = Vec::new();
    let mut ask = |method: &str, path: &str, body: Option<&Value>| {
        let (_, answer) = api.send(method, path, body);
        answers.push((format!("{method} {path}"), answer.to_string()));
        answer
    };
    let secrets = "/workspaces/default/secrets";
    for name in ["VISIBLE", "HIDDEN"] {
        // Twice, so that a value in the place of another is looked for, too.
        for _ in 0..2 {
            ask("PUT", &format!("{secrets}/{name}"), Some(&json!({ "value": VALUE })));
        }
    }
    ask("PUT", &format!("{secrets}/no-name"), Some(&json!({ "value": VALUE })));
    ask("PUT", &format!("{secrets}/EXTRA"), Some(&json!({ "value": VALUE, "more": VALUE })));
    ask("PUT", &format!("{secrets}/EXTRA"), Some(&json!(VALUE)));
    let grants = json!({ "secrets": [
        { "name": "VISIBLE", "shown_as": "value" }, { "name": "HIDDEN", "shown_as": "placeholder" },
    ] });
    for act in ["succeed", "panic", "fatal", "chatter", "emit"] {
        let payload = json!({ "act": act, "lines": 3, "times": 1, "name": "news", "body": "{}" });
        let rest = json!({ "grants": grants, "retry": { "max_attempts": 2, "backoff": "1ms" }, "tasks": 3 });
        let job = api.manual_job("misbehave", &payload, rest);
        let interval = api.trigger(&job);
        api.ended(&interval);
        for path in ["", "/intervals", "/backfills"] {
            ask("GET", &format!("/jobs/{job}{path}"), None);
        }
        for path in ["", "/tasks", "/tasks/0", "/logs", "/events"] {
            ask("GET", &format!("/intervals/{interval}{path}"), None);
        }
        ask("POST", &format!("/intervals/{interval}/retry"), None);
        api.ended(&interval);
    }
    for path in [secrets, "/jobs", "/plugins", "/plugins/misbehave", "/hosts", "/health", "/metrics", "/openapi.json"] {
        ask("GET", path, None);
    }
    ask("DELETE", &format!("{secrets}/HIDDEN"), None);
    for (asked, answer) in &answers {
        assert_not_in(asked, answer.as_bytes());
    }
    // What is looked for in the same way is found where it should be.
    assert!(answers.iter().any(|(_, answer)| answer.contains("VISIBLE")));
    assert_not_in_files(&builder.data_dir(), &["latchwork.db", "latchwork.db-wal"]);
    let log = host.log();
    assert!(log.contains("TRACE") && log.contains("insert into secrets"), "all of it is logged");
    assert_not_in("the log", log.as_bytes());
    host.stop();
    assert_not_in_files(&builder.data_dir(), &["latchwork.db"]);
    // The name is found in the same way, in the file or in its log of writes.
    assert!(files_below(&builder.data_dir()).iter().any(|file| holds(&std::fs::read(file).unwrap(), b"VISIBLE")));
    assert_not_in("the log", std::fs::read(builder.log()).unwrap().as_slice());
    assert_not_in_copies(&builder);
}

fn assert_not_in_copies(builder: &HostBuilder) {
    let (server, from) = (PostgresDatabase::blocking(), format!("sqlite:{}", builder.database().display()));
    copy(&from, &server.url());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let rows = runtime.block_on(contents(&server));
    assert_eq!(rows["secrets"].len(), 2, "the secrets came along");
    assert_not_in("the copy on PostgreSQL", format!("{rows:?}").as_bytes());

    let files = tempfile::TempDir::new().unwrap();
    copy(&server.url(), &format!("sqlite:{}", files.path().join("latchwork.db").display()));
    assert_not_in_files(files.path(), &["latchwork.db"]);

    // With the key the copy is as good as what it was made of.
    let copied = HostBuilder::new().variable("DATABASE_URL", &server.url()).variable("LATCHWORK_SECRETS_KEY", KEY);
    let host = copied.start();
    let job = text(&host.api.get("/jobs")["jobs"][0]["id"]);
    assert_eq!(host.api.ended(&host.api.trigger(&job))["state"], "succeeded");
}
