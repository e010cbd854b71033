//! What Latchwork decides: pure functions of data and the time.
//!
//! Owns the words of the product (job, interval, stage, segment, task, lease), their state machines and their
//! arithmetic. Knows nothing of databases, wasm, HTTP, clocks or tasks of an async runtime.

pub mod digest;
mod held_segment;
pub mod human_duration;
pub mod ids;
pub mod interval;
pub mod job;
pub mod judgement;
pub mod lease;
pub mod plan;
pub mod progress;
pub mod recovery;
pub mod retention;
pub mod retry;
pub mod rules;
pub mod schedule;
pub mod segment;
pub mod stage;
pub mod task;
pub mod timestamp;
pub mod worklist;
