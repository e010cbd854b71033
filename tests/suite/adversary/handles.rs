//! Guests that hoard handles, and guests that use ones that are not theirs.

use super::case::Case;
use super::files::Outside;
use latchwork_tests::{Guest, SUCCESS};
use serde_json::json;

pub(super) fn cases(outside: &Outside) -> Vec<Case> {
    let mut cases = floods(outside);
    cases.extend(misuse());
    cases
}

fn floods(outside: &Outside) -> Vec<Case> {
    let hoard = |uses, call: &str| Guest::using(uses, format!("(loop {call} (br 0)) (unreachable)"));
    let pollables = hoard(&["subscribe-duration"], "(drop (call $subscribe-duration (i64.const 3600000000000)))");
    let streams = hoard(&["get-stdout"], "(drop (call $get-stdout))");
    // Fewer than wasmtime itself allows.
    let own = Guest::using(
        &["new-own"],
        format!(
            "(local $left i32)
            (local.set $left (i32.const 513))
            (loop
                (drop (call $new-own (i32.const 7)))
                (local.tee $left (i32.sub (local.get $left) (i32.const 1)))
                (br_if 0))
            {SUCCESS}"
        ),
    );
    let listings = Guest::using(
        &["get-directories", "read-directory"],
        "(local $root i32)
        (call $get-directories (i32.const 64))
        (local.set $root (i32.load (i32.load (i32.const 64))))
        (loop (call $read-directory (local.get $root) (i32.const 64)) (br 0))
        (unreachable)",
    );
    let full = "at most 512 handles";
    let few = Case::task("more handles than the job may hold", streams.clone(), "limit_exceeded", "at most 3 handles");
    vec![
        few.with(json!({ "handle_limit": 3 })),
        Case::task("a flood of pollables", pollables, "limit_exceeded", full),
        Case::task("a flood of streams", streams, "limit_exceeded", full),
        Case::task("a flood of handles of the guest's own type", own, "limit_exceeded", full),
        Case::task("a flood of listings", listings, "limit_exceeded", full).with(outside.grant("read")),
    ]
}

fn misuse() -> Vec<Case> {
    let guest = |uses, run: &str| Guest::using(uses, format!("{run} {SUCCESS}"));
    let twice = "(local $pollable i32)
        (local.set $pollable (call $subscribe-duration (i64.const 0)))
        (call $drop-pollable (local.get $pollable))
        (call $drop-pollable (local.get $pollable))";
    let after = "(local $pollable i32)
        (local.set $pollable (call $subscribe-duration (i64.const 0)))
        (call $drop-pollable (local.get $pollable))
        (call $pollable-block (local.get $pollable))";
    let parent = "(local $stream i32)
        (local.set $stream (call $get-stdout))
        (drop (call $stream-subscribe (local.get $stream)))
        (call $drop-output-stream (local.get $stream))";
    let cases = [
        (
            "a handle that is dropped twice",
            guest(&["subscribe-duration", "drop-pollable"], twice),
            "unknown handle index",
        ),
        (
            "a handle that is used after its drop",
            guest(&["subscribe-duration", "drop-pollable", "pollable-block"], after),
            "unknown handle index",
        ),
        (
            "a handle that was never given",
            guest(&["pollable-block"], "(call $pollable-block (i32.const 12345))"),
            "handle",
        ),
        ("the handle zero", guest(&["pollable-block"], "(call $pollable-block (i32.const 0))"), "handle"),
        (
            "a handle of another type",
            guest(&["get-stdout", "pollable-block"], "(call $pollable-block (call $get-stdout))"),
            "wrong type",
        ),
        (
            "a handle that another still needs",
            guest(&["get-stdout", "stream-subscribe", "drop-output-stream"], parent),
            "children",
        ),
    ];
    cases.into_iter().map(|(name, guest, message)| Case::task(name, guest, "trap", message)).collect()
}
