//! Counts the words of a text: a fan-out, a fan-in and a diamond.
//!
//! ```text
//! split -> count (one task for each part) -> top     -> report
//!                                         -> lengths ->
//! ```
//!
//! The payload names the text as the job's `grants.directories` mounts it: `{"file": "/text/book.txt", "parts": 8}`.
//! Each stage reads what the ones before it returned; `count` keeps its progress, so that a crash in a long part costs
//! only the lines since its last checkpoint; whoever watches is told of each part and of the result.

mod count;
mod parts;
mod report;
mod words;

use latchwork_sdk::{Job, Plan, Stage, Task, TaskError, events, outputs, task};
use parts::Part;
use serde::Deserialize;
use serde_json::{Value, json, to_value};
use std::num::NonZeroU32;
use words::Words;

/// The job's payload.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    /// Where the text is mounted.
    file: String,
    /// Into how many parts it is cut: enough that the words of one, with their counts, stay below the host's limit for
    /// an output.
    #[serde(default = "parts_default")]
    parts: NonZeroU32,
    /// After how many lines a part keeps its progress.
    #[serde(default = "lines_default")]
    lines: NonZeroU32,
    /// How long it rests then, for a disk that others use, too.
    #[serde(default)]
    rest_ms: u64,
    /// How many of the most frequent words are reported.
    #[serde(default = "top_default")]
    top: usize,
}

fn parts_default() -> NonZeroU32 {
    NonZeroU32::new(8).expect("8 is not zero")
}

fn lines_default() -> NonZeroU32 {
    NonZeroU32::new(10_000).expect("10,000 is not zero")
}

fn top_default() -> usize {
    10
}

fn plan(_: &Job, order: Order) -> Result<Plan, TaskError> {
    Ok(Plan::default()
        .stage(Stage::new("split", 1))
        .stage(Stage::new("count", order.parts.get()).after(["split"]))
        .stage(Stage::new("top", 1).after(["count"]))
        .stage(Stage::new("lengths", 1).after(["count"]))
        .stage(Stage::new("report", 1).after(["top", "lengths"])))
}

/// Does one task of whichever stage it belongs to.
#[task(plan = plan)]
fn work(task: &Task, order: Order) -> Result<Value, TaskError> {
    match task.stage() {
        "split" => split(&order),
        "count" => count_part(task, &order),
        "top" => Ok(to_value(all_words(&order)?.most_frequent(order.top))?),
        "lengths" => Ok(to_value(all_words(&order)?.by_length())?),
        "report" => {
            let top: Vec<(String, u64)> = outputs::get_json("top", 0)?;
            report::tell(&top, &outputs::get_json("lengths", 0)?)
        }
        other => Err(TaskError::fatal(format!("the plan has no stage {other}"))),
    }
}

fn split(order: &Order) -> Result<Value, TaskError> {
    let parts = parts::cut(order.file.as_ref(), order.parts)?;
    events::emit_json("split", &json!({"parts": parts.len()}))?;
    Ok(to_value(parts)?)
}

fn count_part(task: &Task, order: &Order) -> Result<Value, TaskError> {
    let parts: Vec<Part> = outputs::get_json("split", 0)?;
    let part = parts.get(task.stage_index() as usize).copied();
    let part = part.ok_or_else(|| TaskError::fatal("split made fewer parts than the plan"))?;
    let words = count::count(part, order, task.checkpoint())?;
    events::emit_json("counted", &json!({"part": task.stage_index(), "words": words.total()}))?;
    Ok(to_value(words)?)
}

/// What all parts have counted together.
fn all_words(order: &Order) -> Result<Words, TaskError> {
    let mut all = Words::default();
    for words in outputs::all_json("count", order.parts.get()) {
        all.add(words?);
    }
    Ok(all)
}
