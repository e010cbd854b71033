//! Fuzz targets: bytes that nobody chose, for whatever reads bytes that come from outside.
//!
//! A target is a round that is played again and again, each time with the dice of another seed. What it checks is that
//! nothing panics, that nothing hangs, and what else can be said of any input: what was written is read again, what
//! was tampered with is discarded.
//!
//! `LATCHWORK_FUZZ_SECONDS=N` plays each target for so long, `LATCHWORK_FUZZ_SEED=N` plays one round, that of a failure.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod commands;
mod compiled_code;
mod dice;
mod guests;
mod json;
mod outgoing;
mod plans;
mod relay;
mod requests;
mod rounds;
mod rows;
mod secrets;
mod servers;
mod settings;
mod surroundings;
mod texts;
mod uploads;
mod words;
