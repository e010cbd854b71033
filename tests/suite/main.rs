//! The tests of the whole product; the support is in `src/`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are tests")]

mod actors;
mod asked;
mod backfills;
mod chains;
mod cli;
mod crash;
mod engine_by_hand;
mod events;
mod fallback;
mod firing;
mod firing_rules;
mod grants;
mod hands;
mod job_changes;
mod jobs;
mod keys_and_stages;
mod operations;
mod outcomes;
mod poison;
mod policies;
mod policies_by_hand;
mod recovery;
mod retrying;
mod running_jobs;
mod schedule_preview;
mod scheduling;
mod settings;
mod stage_graphs;
mod stopping;
mod store_contract;
mod tidy;
mod uploads;
mod word_count;
mod world;
