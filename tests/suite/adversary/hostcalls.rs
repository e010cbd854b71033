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

/// Repeats a call until it is refused.
fn until_refused(call: &str) -> String {
    format!("(loop {call} (br_if 0 (i32.eqz (i32.load8_u (i32.const 64)))))")
}

/// A guest that passes on the refusal of a call.
fn refusal(
    name: &'static str,
    uses: &'static [&'static str],
    call: &str,
    kind: &'static str,
    message: &'static str,
) -> Case {
    Case::task(name, large(uses, &format!("{call} (call $pass (i32.const 64))")), kind, message)
        .with(json!({ "memory_limit_bytes": 128 * MIB }))
}

fn refusals() -> Vec<Case> {
    let key = |length: usize| {
        format!("(call $keys-set (i32.const 4096) (i32.const {length}) (i32.const 0) (i32.const 0) (i32.const 64))")
    };
    let value = |bytes: usize| {
        format!("(call $keys-set (i32.const 4096) (i32.const 1) (i32.const 4096) (i32.const {bytes}) (i32.const 64))")
    };
    let delete = |length: usize| format!("(call $keys-delete (i32.const 4096) (i32.const {length}) (i32.const 64))");
    let list = "(call $keys-list (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1)
        (i32.const 64))";
    let save = "(call $checkpoint-save (i32.const 4096) (i32.const 1048577) (i32.const 64))";
    let output = "(call $outputs-get (i32.const 4096) (i32.const 5) (i32.const 0) (i32.const 64))";
    let (set, limit): (&'static [&'static str], _) = (&["keys-set"], "limit_exceeded");
    let mut cases = vec![
        refusal("a key without a name", set, &key(0), limit, "1 to 1024 bytes, not 0"),
        refusal("a long key", set, &key(1_025), limit, "1 to 1024 bytes, not 1025"),
        refusal("a large value", set, &value(MIB + 1), limit, "at most 1048576 bytes, not 1048577"),
        refusal("many writes of keys", set, &until_refused(&value(MIB)), limit, "writes at most 33554432 bytes"),
        refusal("a long key to remove", &["keys-delete"], &delete(1_025), limit, "1 to 1024 bytes, not 1025"),
        refusal(
            "many removals of keys",
            &["keys-delete"],
            &until_refused(&delete(1_024)),
            limit,
            "writes at most 33554432 bytes",
        ),
        refusal("a value beyond what the job's keys may take", set, &value(1_000), limit, "key_limit_bytes")
            .with(json!({ "key_limit_bytes": 100 })),
        refusal("a long page of keys", &["keys-list"], list, limit, "at most 10000, not 4294967295"),
        refusal("a large checkpoint", &["checkpoint-save"], save, limit, "at most 1048576 bytes, not 1048577"),
        refusal("an output of a stage that there is not", &["outputs-get"], output, "fatal", "no stage `xxxxx`"),
    ];
    cases.extend(refused_events());
    cases
}

fn refused_events() -> Vec<Case> {
    let emit = |name: usize, body: usize| {
        let (name, body) =
            (format!("(i32.const 4096) (i32.const {name})"), format!("(i32.const 4096) (i32.const {body})"));
        format!("(call $events-emit {name} {body} (i32.const 64))")
    };
    // The digit 1, which is JSON.
    let many = format!("(i32.store8 (i32.const 4096) (i32.const 49)) {}", until_refused(&emit(1, 1)));
    let (uses, limit): (&'static [&'static str], _) = (&["events-emit"], "limit_exceeded");
    vec![
        refusal("an event with a long name", uses, &emit(129, 1), limit, "1 to 128 bytes, not 129"),
        refusal("an event with a large body", uses, &emit(1, 70_000), limit, "at most 65536 bytes, not 70000"),
        refusal("an event that is no JSON", uses, &emit(1, 9), "fatal", "is not a JSON text"),
        refusal("too many events", uses, &many, limit, "at most 1000 events"),
    ]
}
