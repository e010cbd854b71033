//! Fan-out, fan-in and a diamond through a crash and retries: what has completed never runs again.

use latchwork_tests::{HostBuilder, text, wait_for};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tempfile::TempDir;

const PARTS: u32 = 4;
const LINES: u32 = 400;
const WORDS: [&str; 7] = ["tide", "harbour", "lamp", "rope", "salt", "of", "keel"];

/// A text in which the words occur more or less often.
fn line(number: u32) -> String {
    let word = |place: u32| WORDS[((number * place + number / 3) % 7) as usize];
    (1..=number % 11 + 1).map(word).collect::<Vec<_>>().join(" ") + "\n"
}

/// The report that one pass over the whole text leads to.
fn expected(words: &str) -> Value {
    let (mut counts, mut lengths) = (BTreeMap::<&str, u64>::new(), BTreeMap::<usize, u64>::new());
    for word in words.split_whitespace() {
        *counts.entry(word).or_default() += 1;
        *lengths.entry(word.len()).or_default() += 1;
    }
    let mut top: Vec<(&str, u64)> = counts.into_iter().collect();
    top.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    top.truncate(3);
    json!({ "words": words.split_whitespace().count(), "top": top, "longest": 7, "lengths": lengths })
}

#[test]
fn a_crash_and_retries_in_the_middle_stage_repeat_no_completed_stage() {
    let folder = TempDir::new().unwrap();
    let (book, away) = (folder.path().join("book.txt"), folder.path().join("away.txt"));
    let words: String = (0..LINES).map(line).collect();
    std::fs::write(&book, &words).unwrap();
    let builder = HostBuilder::new().flag("--allow-dir", folder.path().display());
    let host = builder.start();
    host.api.upload_plugin("wordcount");
    let grant = json!({ "path": folder.path(), "mount": "/text" });
    let payload = json!({ "file": "/text/book.txt", "parts": PARTS, "lines": 5, "rest_ms": 100, "top": 3 });
    let rest = json!({
        "max_parallel": 2, "grants": { "directories": [grant] },
        "retry": { "max_attempts": 1_000, "backoff": "20ms", "max_backoff": "20ms" },
    });
    let interval = host.api.trigger(&host.api.manual_job("wordcount", &payload, rest));

    let checkpoints = || builder.rows().number("select count(*) from checkpoints");
    wait_for("both running parts to keep their progress", || (checkpoints() == 2).then_some(()));
    host.kill();
    // Without the text a part fails, and is tried again.
    std::fs::rename(&book, &away).unwrap();
    let host = builder.start();
    let recovered = host.api.interval(&interval);
    let states =
        |view: &Value| view["stages"].as_array().unwrap().iter().map(|stage| text(&stage["state"])).collect::<Vec<_>>();
    assert_eq!(states(&recovered), ["succeeded", "running", "pending", "pending", "pending"], "{recovered}");
    wait_for("a failed attempt", || host.api.task(&interval, 1)["failure"].is_object().then_some(()));
    std::fs::rename(&away, &book).unwrap();
    let ended = host.api.ended(&interval);

    assert_eq!((&ended["state"], &ended["total"], &ended["completed"]), (&json!("succeeded"), &json!(8), &json!(8)));
    assert_eq!((&ended["recovery_attempts"], &ended["duplicates"]), (&json!(1), &json!(2)), "{ended}");
    assert_eq!(states(&ended), ["succeeded"; 5]);
    assert_eq!(host.api.task(&interval, 7)["output"], expected(&words));
    for part in [1, 2] {
        let log = host.api.log(&interval, Some(part));
        assert!(log.iter().any(|line| line.starts_with("goes on after")), "part {part} began anew: {log:?}");
    }
    let told = told(&host, &interval);
    assert_eq!(told.iter().filter(|name| *name == "split").count(), 1, "the first stage ran once: {told:?}");
    assert_eq!(told, ["split", "counted", "counted", "counted", "counted", "report"]);
    let task = host.api.task(&interval, 0);
    assert_eq!((&task["attempts"], &task["crashes"]), (&json!(1), &json!(0)), "{task}");
}

/// The names of what the plugin emitted.
fn told(host: &latchwork_tests::Host, interval: &str) -> Vec<String> {
    let request = ureq::get(format!("{}/intervals/{interval}/events", host.api.server()));
    let page: Value = request.header("accept", "application/json").call().unwrap().body_mut().read_json().unwrap();
    page["events"].as_array().unwrap().iter().map(|event| text(&event["name"])).collect()
}
