//! Plans that make no sense, or too much of it.

use super::case::Case;
use latchwork_tests::{Guest, SUCCESS};
use std::fmt::Write as _;

/// Where a plan's stages lie.
const STAGES: usize = 1_024;

pub(super) fn cases() -> Vec<Case> {
    let stage = |name, tasks, waits_for| Stage { name, tasks, waits_for };
    let declared = [
        ("four billion tasks", vec![stage("a", u32::MAX, None)], "has 4294967295 tasks"),
        ("stages that wait for one another", vec![stage("a", 1, Some("b")), stage("b", 1, Some("a"))], "a -> b -> a"),
        ("a stage that waits for itself", vec![stage("a", 1, Some("a"))], "a -> a"),
        ("two stages of one name", vec![stage("a", 1, None), stage("a", 1, None)], "two stages named `a`"),
        ("a stage without a name", vec![stage("", 1, None)], "1 to 64 characters"),
        ("a stage that waits for nobody knows what", vec![stage("a", 1, Some("x"))], "waits for `x`"),
    ];
    let mut cases: Vec<Case> = declared
        .into_iter()
        .map(|(name, stages, message)| Case::plan(name, planning(&stages), "fatal", message))
        .collect();
    let data = |bytes: &str| Guest {
        fields: format!("(data (i32.const 64) \"{bytes}\")"),
        plan: "(i32.const 64)".to_owned(),
        ..Guest::default()
    };
    // One stage, whose last two words say where the names are that it waits for, and how many.
    let waiting = |names: &str| {
        data(&format!(r"\00\00\00\00\50\00\00\00\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\01\00\00\00{names}"))
    };
    // Stages of zeros: without a name, without tasks.
    let many = |stages: u32| Guest {
        pages: 64,
        plan: format!(
            "(i32.store (i32.const 68) (i32.const 65536)) (i32.store (i32.const 72) (i32.const {stages})) (i32.const 64)"
        ),
        ..Guest::default()
    };
    let hog = "(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (unreachable)";
    cases.extend([
        Case::plan("a hundred thousand stages", many(100_000), "fatal", "has 100000 stages"),
        Case::plan("stages of all lengths", data(r"\00\00\00\00\00\00\00\00\ff\ff\ff\ff"), "trap", "out of bounds"),
        Case::plan("names beyond the memory", waiting(r"\f0\ff\ff\ff\01\00\00\00"), "trap", "out of bounds"),
        Case::plan(
            "a name beyond the memory",
            waiting(r"\64\00\00\00\01\00\00\00\f0\ff\ff\ff\09\00\00\00"),
            "trap",
            "out of bounds",
        ),
        Case::plan("stages that are not aligned", data(r"\00\00\00\00\01\00\00\00\01\00\00\00"), "trap", "not aligned"),
        Case::plan(
            "a plan that traps",
            Guest { plan: "(unreachable)".to_owned(), ..Guest::default() },
            "trap",
            "unreachable",
        ),
        Case::plan(
            "a plan that takes memory",
            Guest { plan: hog.to_owned(), ..Guest::default() },
            "out_of_memory",
            "16777216",
        ),
        Case::plan("a plan that saves", saving(), "fatal", "checkpoint.save is for tasks"),
    ]);
    cases
}

struct Stage {
    name: &'static str,
    tasks: u32,
    waits_for: Option<&'static str>,
}

/// A guest with these stages in its memory. All names are short: they lie before the stages, eight bytes for each.
fn planning(stages: &[Stage]) -> Guest {
    let mut fields = String::new();
    let mut put = |at: usize, bytes: &[u8]| {
        let bytes: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
        write!(fields, "(data (i32.const {at}) \"{bytes}\")").unwrap();
    };
    let words = |words: &[usize]| words.iter().flat_map(|word| (*word as u32).to_le_bytes()).collect::<Vec<u8>>();
    put(64, &words(&[0, STAGES, stages.len()]));
    for (number, stage) in stages.iter().enumerate() {
        let (name, other, list) = (128 + 32 * number, 136 + 32 * number, 144 + 32 * number);
        put(name, stage.name.as_bytes());
        let waits_for = stage.waits_for.unwrap_or_default();
        put(other, waits_for.as_bytes());
        put(list, &words(&[other, waits_for.len()]));
        let count = usize::from(stage.waits_for.is_some());
        put(STAGES + 20 * number, &words(&[name, stage.name.len(), stage.tasks as usize, list, count]));
    }
    Guest { fields, plan: "(i32.const 64)".to_owned(), ..Guest::default() }
}

/// A plan that saves a checkpoint, and passes on the refusal.
fn saving() -> Guest {
    let plan = "(call $checkpoint-save (i32.const 0) (i32.const 1) (i32.const 64)) (call $pass (i32.const 64))";
    Guest { plan: plan.to_owned(), ..Guest::using(&["checkpoint-save"], SUCCESS) }
}
