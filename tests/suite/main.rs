//! The tests of the whole product; the support is in `src/`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are tests")]

mod cli;
mod crash;
mod engine_by_hand;
mod firing;
mod grants;
mod hands;
mod jobs;
mod keeping;
mod keys_and_stages;
mod mill;
mod outcomes;
mod recovery;
mod running_jobs;
mod scheduling;
mod settings;
mod stopping;
mod store_contract;
mod tidy;
mod uploads;
mod world;
