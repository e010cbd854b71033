//! Guests that never end, and guests that fail at once.

use super::case::Case;
use latchwork_tests::{Guest, SUCCESS};
use serde_json::json;

const FOREVER: &str = "(loop (br 0)) (unreachable)";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = endless();
    cases.extend(faults());
    cases
}

fn endless() -> Vec<Case> {
    let calls = |uses, call: &str| Guest::using(uses, format!("(loop {call} (br 0)) (unreachable)"));
    let fill = "(loop (memory.fill (i32.const 4096) (i32.const 7) (i32.const 4000000)) (br 0)) (unreachable)";
    let guests = [
        ("an endless loop", Guest::running(FOREVER)),
        ("an endless loop of large steps", Guest { pages: 64, ..Guest::running(fill) }),
        (
            "reads of keys without end",
            calls(&["keys-get"], "(call $keys-get (i32.const 0) (i32.const 3) (i32.const 64))"),
        ),
        ("log lines without end", calls(&["log-write"], "(call $log-write (i32.const 1) (i32.const 0) (i32.const 9))")),
        (
            "stdout without end, and without an end of a line",
            Guest::using(
                &["get-stdout", "stream-write"],
                "(local $stream i32)
                (local.set $stream (call $get-stdout))
                (memory.fill (i32.const 100) (i32.const 120) (i32.const 4000))
                (loop
                    (call $stream-write (local.get $stream) (i32.const 100) (i32.const 4000) (i32.const 64))
                    (br 0))
                (unreachable)",
            ),
        ),
        (
            "a sleep of an hour",
            Guest::using(
                &["subscribe-duration", "pollable-block"],
                format!("(call $pollable-block (call $subscribe-duration (i64.const 3600000000000))) {SUCCESS}"),
            ),
        ),
        ("a post-return that never ends", Guest { post: FOREVER.to_owned(), ..Guest::default() }),
    ];
    let ends = |(name, guest)| Case::task(name, guest, "timeout", "300ms").with(json!({ "timeout": "300ms" }));
    let mut cases: Vec<Case> = guests.into_iter().map(ends).collect();
    // Where the world is set up for `plan` already, there is no task to fail.
    let plans = [
        ("a start function that never ends", Guest { fields: start(FOREVER), ..Guest::default() }),
        ("a plan that never ends", Guest { plan: FOREVER.to_owned(), ..Guest::default() }),
        ("a realloc that never ends", Guest { realloc: FOREVER.to_owned(), ..Guest::default() }),
    ];
    let ends = |(name, guest)| Case::plan(name, guest, "timeout", "300ms").with(json!({ "timeout": "300ms" }));
    cases.extend(plans.into_iter().map(ends));
    let refused =
        format!("(if (i32.ne (memory.grow (i32.const 65000)) (i32.const -1)) (then (unreachable))) {FOREVER}");
    let guests = [
        ("a loop that has time, but no more CPU", Guest::running(FOREVER)),
        ("a loop after memory that it did not get", Guest::running(refused)),
    ];
    let ends = |(name, guest)| {
        Case::task(name, guest, "limit_exceeded", "cpu_limit").with(json!({ "cpu_limit": "200ms", "timeout": "40s" }))
    };
    cases.extend(guests.map(ends));
    cases
}

fn faults() -> Vec<Case> {
    let table =
        "(table $table 2 2 funcref) (type $none (func)) (func $other (param i32)) (elem (i32.const 0) func $other)";
    let with = |fields: &str, run: &str| Guest { fields: fields.to_owned(), ..Guest::running(run) };
    let deep = "(func $deep (param i32) (result i32)
        (i32.add (i32.const 1) (call $deep (i32.add (local.get 0) (i32.const 1)))))";
    let cases = [
        ("unreachable code", Guest::running("(unreachable)"), "unreachable"),
        ("a division by zero", Guest::running("(i32.div_u (i32.const 1) (i32.const 0))"), "divide by zero"),
        ("an overflow", Guest::running("(i32.trunc_f64_s (f64.const 1e300))"), "integer overflow"),
        ("an address beyond the memory", Guest::running("(i32.load (i32.const -5))"), "out of bounds memory access"),
        (
            "an indirect call of another type",
            with(table, "(call_indirect (type $none) (i32.const 0)) (unreachable)"),
            "indirect call type mismatch",
        ),
        (
            "an indirect call of nothing",
            with(table, "(call_indirect (type $none) (i32.const 1)) (unreachable)"),
            "uninitialized element",
        ),
        (
            "an indirect call beyond the table",
            with(table, "(call_indirect (type $none) (i32.const 9)) (unreachable)"),
            "undefined element",
        ),
        ("a deep recursion", with(deep, "(call $deep (i32.const 0))"), "call stack exhausted"),
        ("a post-return that traps", Guest { post: "(unreachable)".to_owned(), ..Guest::default() }, "unreachable"),
    ];
    let mut cases: Vec<Case> =
        cases.into_iter().map(|(name, guest, message)| Case::task(name, guest, "trap", message)).collect();
    let broken = Guest { fields: start("(unreachable)"), ..Guest::default() };
    cases.push(Case::plan("a start function that traps", broken, "trap", "unreachable"));
    cases
}

fn start(body: &str) -> String {
    format!("(func $start {body}) (start $start)")
}
