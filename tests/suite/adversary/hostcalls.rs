//! Guests that ask the host for too much.

use super::case::Case;
use latchwork_tests::{Guest, SUCCESS};
use serde_json::json;

const MIB: usize = 1 << 20;

/// A memory of 64 MiB, filled with the letter x where the guest's own begins.
const FILLED: &str = "(memory.fill (i32.const 4096) (i32.const 120) (i32.const 60000000))";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = answers();
    cases.extend(logs());
    cases.extend(refusals());
    cases
}

fn large(uses: &'static [&'static str], run: &str) -> Guest {
    Guest { pages: 1_000, ..Guest::using(uses, format!("{FILLED} {run}")) }
}

fn answers() -> Vec<Case> {
    let output = |bytes: usize| large(&[], &format!("(call $output (i32.const 4096) (i32.const {bytes}))"));
    let room = json!({ "memory_limit_bytes": 128 * MIB });
    let error = large(&[], "(call $fatal (i32.const 4096) (i32.const 10000000))");
    vec![
        Case::task("an output over its limit", output(MIB + 1), "limit_exceeded", "at most 1048576 bytes")
            .with(room.clone()),
        Case::task("an output of all that there is", output(60_000_000), "limit_exceeded", "at most 16777216 bytes")
            .with(room.clone()),
        Case::task("a very long error", error, "fatal", "xxx…").with(room),
        Case::task(
            "an output over the job's own limit",
            Guest::running("(call $output (i32.const 0) (i32.const 11))"),
            "limit_exceeded",
            "at most 10 bytes, not 11",
        )
        .with(json!({ "output_limit_bytes": 10 })),
    ]
}

fn logs() -> Vec<Case> {
    let line = |bytes: usize| {
        large(
            &["log-write"],
            &format!("(call $log-write (i32.const 1) (i32.const 4096) (i32.const {bytes})) {SUCCESS}"),
        )
    };
    let room = json!({ "memory_limit_bytes": 128 * MIB });
    let million = Guest::using(
        &["log-write"],
        format!(
            "(local $left i32)
            (local.set $left (i32.const 1000000))
            (loop
                (call $log-write (i32.const 1) (i32.const 0) (i32.const 0))
                (br_if 0 (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
            {SUCCESS}"
        ),
    );
    vec![
        Case::log("a long log line", line(8 * MIB), "1 further lines dropped").with(room.clone()),
        Case::task("an endless log line", line(20 * MIB), "limit_exceeded", "at most 16777216 bytes").with(room),
        Case::log("a log line over the job's own limit", line(100), "1 further lines dropped")
            .with(json!({ "log_limit_bytes": 100, "memory_limit_bytes": 128 * MIB })),
        Case::log("a million log lines", million, "further lines dropped").with(json!({ "timeout": "50s" })),
    ]
}

/// Calls whose refusal the guest passes on.
fn refusals() -> Vec<Case> {
    let key = |length: usize| {
        format!("(call $keys-set (i32.const 4096) (i32.const {length}) (i32.const 0) (i32.const 0) (i32.const 64))")
    };
    let value = |bytes: usize| {
        format!("(call $keys-set (i32.const 4096) (i32.const 1) (i32.const 4096) (i32.const {bytes}) (i32.const 64))")
    };
    let event = |name: usize, body: usize| {
        format!(
            "(call $events-emit (i32.const 4096) (i32.const {name}) (i32.const 4096) (i32.const {body}) (i32.const 64))"
        )
    };
    let until_refused = |call: &str| format!("(loop {call} (br_if 0 (i32.eqz (i32.load8_u (i32.const 64)))))");
    let number = "(i32.store8 (i32.const 4096) (i32.const 49))";
    let list = "(call $keys-list (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1)
        (i32.const 64))";
    let save = "(call $checkpoint-save (i32.const 4096) (i32.const 1048577) (i32.const 64))";
    let output = "(call $outputs-get (i32.const 4096) (i32.const 5) (i32.const 0) (i32.const 64))";
    let events: &[&str] = &["events-emit"];
    let calls: [(&str, &'static [&'static str], String, &str, &str); 12] = [
        ("a key without a name", &["keys-set"], key(0), "limit_exceeded", "1 to 1024 bytes, not 0"),
        ("a long key", &["keys-set"], key(1_025), "limit_exceeded", "1 to 1024 bytes, not 1025"),
        ("a large value", &["keys-set"], value(MIB + 1), "limit_exceeded", "at most 1048576 bytes, not 1048577"),
        (
            "many writes of keys",
            &["keys-set"],
            until_refused(&value(MIB)),
            "limit_exceeded",
            "writes at most 33554432 bytes",
        ),
        ("a long page of keys", &["keys-list"], list.to_owned(), "limit_exceeded", "at most 10000, not 4294967295"),
        (
            "a large checkpoint",
            &["checkpoint-save"],
            save.to_owned(),
            "limit_exceeded",
            "at most 1048576 bytes, not 1048577",
        ),
        ("an event with a long name", events, event(129, 1), "limit_exceeded", "1 to 128 bytes, not 129"),
        ("an event with a large body", events, event(1, 70_000), "limit_exceeded", "at most 65536 bytes, not 70000"),
        ("an event that is no JSON", events, event(1, 9), "fatal", "is not a JSON text"),
        (
            "too many events",
            events,
            format!("{number} {}", until_refused(&event(1, 1))),
            "limit_exceeded",
            "at most 1000 events",
        ),
        ("an output of a stage that there is not", &["outputs-get"], output.to_owned(), "fatal", "no stage `xxxxx`"),
        (
            "a value beyond what the job's keys may take",
            &["keys-set"],
            value(1_000),
            "limit_exceeded",
            "key_limit_bytes",
        ),
    ];
    let case = |(name, uses, call, kind, message): (&'static str, _, String, _, &'static str)| {
        let limit = if message.contains("key_limit") { 100 } else { 64 * MIB };
        Case::task(name, large(uses, &format!("{call} (call $pass (i32.const 64))")), kind, message)
            .with(json!({ "memory_limit_bytes": 128 * MIB, "key_limit_bytes": limit }))
    };
    calls.into_iter().map(case).collect()
}
