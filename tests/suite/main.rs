//! The tests of the whole product; the support is in `src/`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are tests")]

mod asked;
mod cli;
mod crash;
mod engine_by_hand;
mod events;
mod firing;
mod grants;
mod hands;
mod jobs;
mod keys_and_stages;
mod outcomes;
mod recovery;
mod running_jobs;
mod scheduling;
mod settings;
mod stage_graphs;
mod stopping;
mod store_contract;
mod tidy;
mod uploads;
mod word_count;
mod world;
