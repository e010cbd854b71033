//! Guests that break the rules of the boundary: pointers, lengths, texts and discriminants that cannot be.

use super::case::Case;
use latchwork_tests::{Guest, SUCCESS};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = answers();
    cases.extend(arguments());
    cases.extend(lists());
    cases.extend(reallocs());
    cases
}

/// A guest whose memory begins with these bytes at 64, and which answers that address.
fn answering(bytes: &str) -> Guest {
    Guest { fields: format!("(data (i32.const 64) \"{bytes}\")"), ..Guest::running("(i32.const 64)") }
}

fn answers() -> Vec<Case> {
    let cases = [
        ("an answer beyond the memory", Guest::running("(i32.const -16)"), "out of bounds"),
        ("an answer across the memory's end", Guest::running("(i32.const 65532)"), "out of bounds"),
        ("an answer that is not aligned", Guest::running("(i32.const 17)"), "not aligned"),
        ("an output beyond the memory", answering(r"\00\00\00\00\f0\ff\ff\ff\64\00\00\00"), "out of bounds"),
        ("an output of all lengths", answering(r"\00\00\00\00\00\00\00\00\ff\ff\ff\ff"), "out of bounds"),
        ("an answer that is neither", answering(r"\07\00\00\00"), "discriminant"),
        ("an error that there is not", answering(r"\01\00\00\00\09\00\00\00"), "discriminant"),
        ("an error that is no text", answering(r"\01\00\00\00\01\00\00\00\50\00\00\00\03\00\00\00\ff\fe\c0"), "utf-8"),
        ("an error beyond the memory", answering(r"\01\00\00\00\01\00\00\00\00\00\00\00\ff\ff\ff\7f"), "out of bounds"),
    ];
    cases.into_iter().map(|(name, guest, message)| Case::task(name, guest, "trap", message)).collect()
}

fn arguments() -> Vec<Case> {
    let logs = |arguments: &str| Guest {
        fields: r#"(data (i32.const 64) "\ed\a0\80 half a pair")"#.to_owned(),
        ..Guest::using(&["log-write"], format!("(call $log-write {arguments}) {SUCCESS}"))
    };
    let list = |after: &str| {
        let (prefix, limit) = ("(i32.const 0) (i32.const 0)", "(i32.const 1) (i32.const 128)");
        Guest::using(&["keys-list"], format!("(call $keys-list {prefix} {after} {limit}) {SUCCESS}"))
    };
    let get = |answer: &str| {
        Guest::using(&["keys-get"], format!("(call $keys-get (i32.const 64) (i32.const 1) {answer}) {SUCCESS}"))
    };
    let back = Guest {
        post: "(call $log-write (i32.const 1) (i32.const 0) (i32.const 0))".to_owned(),
        ..Guest::using(&["log-write"], SUCCESS)
    };
    let cases = [
        ("a text that is none", logs("(i32.const 1) (i32.const 64) (i32.const 3)"), "utf-8"),
        ("a text beyond the memory", logs("(i32.const 1) (i32.const 65530) (i32.const 30)"), "out of bounds"),
        ("a text of all lengths", logs("(i32.const 1) (i32.const 64) (i32.const -1)"), "out of bounds"),
        ("a level that there is not", logs("(i32.const 9) (i32.const 0) (i32.const 0)"), "discriminant"),
        ("neither some nor none", list("(i32.const 5) (i32.const 0) (i32.const 0)"), "discriminant"),
        ("some text beyond the memory", list("(i32.const 1) (i32.const -1) (i32.const 9)"), "out of bounds"),
        ("room for an answer beyond the memory", get("(i32.const -8)"), "out of bounds"),
        ("room for an answer that is not aligned", get("(i32.const 65)"), "aligned"),
        ("a call of the host from a post-return", back, "cannot leave component instance"),
    ];
    cases.into_iter().map(|(name, guest, message)| Case::task(name, guest, "trap", message)).collect()
}

fn lists() -> Vec<Case> {
    let guest = |uses, call: &str| Guest::using(uses, format!("(call {call} (i32.const 128)) {SUCCESS}"));
    let cases = [
        (
            "a value beyond the memory",
            guest(&["keys-set"], "$keys-set (i32.const 64) (i32.const 1) (i32.const 65530) (i32.const 30)"),
        ),
        (
            "a value of all lengths",
            guest(&["keys-set"], "$keys-set (i32.const 64) (i32.const 1) (i32.const 64) (i32.const -1)"),
        ),
        (
            "a checkpoint beyond the memory",
            guest(&["checkpoint-save"], "$checkpoint-save (i32.const -1) (i32.const 9)"),
        ),
        (
            "bytes for stdout beyond the memory",
            guest(&["get-stdout", "stream-write"], "$stream-write (call $get-stdout) (i32.const 65530) (i32.const 30)"),
        ),
    ];
    cases.into_iter().map(|(name, guest)| Case::task(name, guest, "trap", "out of bounds")).collect()
}

/// The host hands in the context by what the guest gives it room: so it is `plan` that fails.
fn reallocs() -> Vec<Case> {
    let guest = |realloc: &str| Guest { realloc: realloc.to_owned(), ..Guest::default() };
    let cases = [
        ("a realloc beyond the memory", guest("(i32.const -4096)"), "beyond end of memory"),
        ("a realloc across the memory's end", guest("(i32.const 65535)"), "beyond end of memory"),
        ("a realloc that traps", guest("(unreachable)"), "unreachable"),
    ];
    let mut cases: Vec<Case> =
        cases.into_iter().map(|(name, guest, message)| Case::plan(name, guest, "trap", message)).collect();
    // Texts have no alignment, so that `plan` gets by; the context of a task is a record.
    let odd =
        "(if (result i32) (i32.eq (local.get $align) (i32.const 1)) (then (i32.const 4096)) (else (i32.const 8193)))";
    cases.push(Case::task("a realloc that does not align", guest(odd), "trap", "not aligned"));
    cases
}
