//! Whole engines of several hosts in this process, over one store that is slow, fails and loses answers, on a clock that
//! jumps. All that happens follows from a seed, and after every step an oracle that knows only the calls of the plugin and
//! the rows of the database checks what the design promises.
//!
//! `LATCHWORK_SIM_SEEDS=N` runs so many seeds, `LATCHWORK_SIM_SEED=N` runs one and prints all that it does.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod actions;
mod clock;
mod database;
mod dice;
mod fate;
mod host;
mod jobs;
mod names;
mod oracle;
mod panics;
mod people;
mod plugin;
mod run;
mod seeds;
mod store;
mod tally;
mod weather;
mod world;

use std::io::Write as _;

/// How many seeds the gate runs.
const SEEDS: u64 = 2_000;

/// Tells whoever runs the tests, also when they pass: the harness captures `println!`, not what is written here.
fn tell(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("stderr is open");
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not `{text}`")))
}

#[test]
fn whatever_happens_to_its_hosts_the_engine_keeps_its_promises() {
    if let Some(seed) = number("LATCHWORK_SIM_SEED") {
        let report = seeds::run_one(seed);
        report.trace.iter().for_each(|line| tell(line));
        assert!(report.violations.is_empty(), "{}", report.failure());
        return;
    }
    let seeds = number("LATCHWORK_SIM_SEEDS").unwrap_or(SEEDS);
    match seeds::run_all(1..=seeds) {
        Ok(summary) => tell(&summary),
        Err(failure) => panic!("{failure}"),
    }
}

#[test]
fn a_seed_leads_to_the_same_run_each_time() {
    for seed in 1..=8 {
        let (first, second) = (seeds::run_one(seed), seeds::run_one(seed));
        let differs = first.trace.iter().zip(&second.trace).position(|(one, other)| one != other);
        if let Some(line) = differs {
            let (one, other) = (&first.trace[line], &second.trace[line]);
            panic!("seed {seed}, line {line}:\n{one}\n{other}");
        }
        assert_eq!(first.trace.len(), second.trace.len(), "seed {seed}");
    }
}
