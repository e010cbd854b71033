//! Guests that take memory: at once, in steps, at the beginning, in many pieces.

use super::case::Case;
use latchwork_tests::Guest;
use serde_json::json;

pub(super) fn cases() -> Vec<Case> {
    let with = |fields: String, run: &str| Guest { fields, ..Guest::running(run) };
    let steps = "(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (unreachable)";
    let at_once = "(if (i32.eq (memory.grow (i32.const 65000)) (i32.const -1)) (then (unreachable))) (i32.const 16)";
    let touched = "(local $page i32)
        (loop
            (local.set $page (memory.grow (i32.const 16)))
            (if (i32.eq (local.get $page) (i32.const -1)) (then (unreachable)))
            (memory.fill (i32.mul (local.get $page) (i32.const 65536)) (i32.const 1) (i32.const 1048576))
            (br 0))
        (unreachable)";
    let table = "(table $table 1 funcref)".to_owned();
    let table_steps = "(loop (br_if 0 (i32.ne (table.grow $table (ref.null func) (i32.const 100)) (i32.const -1))))
        (unreachable)";
    let table_at_once = "(if (i32.eq (table.grow $table (ref.null func) (i32.const -2)) (i32.const -1))
        (then (unreachable))) (i32.const 16)";
    let memory = "the call wanted more than 16777216 bytes of memory";
    let two_tables = "(table $table 1 funcref) (table 15000 funcref) (table 15000 funcref)".to_owned();
    let mut cases: Vec<Case> = [
        ("memory that grows in steps", Guest::running(steps), memory),
        ("memory that grows at once", Guest::running(at_once), memory),
        ("memory that is written to as it grows", Guest::running(touched), memory),
        ("a table that grows in steps", with(table.clone(), table_steps), "a table of more than 20000 elements"),
        ("a table that grows at once", with(table, table_at_once), "a table of more than 20000 elements"),
    ]
    .into_iter()
    .map(|(name, guest, message)| Case::task(name, guest, "out_of_memory", message))
    .collect();
    cases.push(
        Case::task("memory and tables together", with(two_tables, steps), "out_of_memory", "655360 bytes")
            .with(json!({ "memory_limit_bytes": 655_360 })),
    );
    cases.extend(at_the_beginning(memory));
    cases.extend(in_many_pieces());
    cases
}

/// Memory that is there before anything is called, so that it is the plan that fails.
fn at_the_beginning(memory: &'static str) -> Vec<Case> {
    let data = "(memory $own 1) (data (memory $own) (i32.const 65536) \"x\")";
    let data = Guest {
        definitions: format!("(core module $Data {data}) (core instance (instantiate $Data))"),
        ..Guest::default()
    };
    let several = "(core instance (instantiate $Large))".repeat(3);
    let several = Guest { definitions: format!("(core module $Large (memory 100)) {several}"), ..Guest::default() };
    vec![
        Case::plan(
            "a large memory from the beginning",
            Guest { pages: 300, ..Guest::default() },
            "out_of_memory",
            memory,
        ),
        Case::plan("several memories from the beginning", several, "out_of_memory", memory),
        Case::plan("data beyond the memory", data, "trap", "out of bounds"),
    ]
}

/// What one component may consist of is bounded when it is uploaded.
fn in_many_pieces() -> Vec<Case> {
    let with = |fields: String| Guest { fields, ..Guest::default() };
    let instances = (0..100).map(|_| "(core instance (instantiate $Small))").collect::<String>();
    let instances =
        Guest { definitions: format!("(core module $Small (func (export \"f\"))) {instances}"), ..Guest::default() };
    vec![
        Case::refused("many memories", with("(memory 1)".repeat(10)), "invalid_component", "memor"),
        Case::refused("many tables", with("(table 1 funcref)".repeat(20)), "invalid_component", "table"),
        Case::refused("many core instances", instances, "invalid_component", "instance"),
        Case::refused(
            "a memory of all addresses",
            Guest { pages: 65_536, ..Guest::default() },
            "invalid_component",
            "memory",
        ),
        Case::refused(
            "a table of too many elements",
            with("(table 30000 funcref)".to_owned()),
            "invalid_component",
            "30000",
        ),
    ]
}
