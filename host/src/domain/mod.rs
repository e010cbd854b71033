//! What Latchwork decides: pure functions of data and the time.
//!
//! Owns the words of the product (job, interval, stage, segment, task, lease), their state machines and their
//! arithmetic. Knows nothing of databases, wasm, HTTP, clocks or tasks of an async runtime.

pub mod addresses;
pub mod asks_for;
pub mod backfill;
pub mod call_limits;
pub mod ceilings;
pub mod chain;
pub mod comparison;
pub mod cron;
pub mod cut;
pub mod digest;
pub mod firing;
pub mod grants;
mod held_segment;
pub mod hint;
pub mod host;
pub mod host_pattern;
pub mod http_reach;
pub mod human_duration;
pub mod ids;
pub mod interval;
pub mod job;
pub mod judgement;
pub mod key_quota;
pub mod labels;
pub mod lanes;
pub mod lease;
pub mod level;
pub mod pausing;
pub mod plan;
pub mod presence;
pub mod preview;
pub mod progress;
pub mod rate;
pub mod recovery;
pub mod reopening;
pub mod retention;
pub mod retry;
pub mod rules;
pub mod schedule;
pub mod secret;
pub mod segment;
pub mod shares;
pub mod stage;
pub mod stage_graph;
pub mod stage_order;
pub mod streak;
pub mod task;
pub mod timestamp;
pub mod turns;
pub mod worklist;
