//! The figures that the project claims, measured in one run and printed as ratios: machines are noisy.
#![expect(clippy::print_stdout, reason = "it is what a benchmark is for")]

mod history;
mod recovery;
mod rounds;
mod schedule;
mod size;
mod throughput;
mod workshop;

use anyhow::{Result, ensure};

/// How often each throughput is measured; the median counts.
const ROUNDS: usize = 3;

const NAMES: [&str; 5] = ["throughput", "size", "recovery", "history", "schedule"];

fn main() -> Result<()> {
    let only = std::env::args().nth(1);
    if let Some(name) = &only {
        ensure!(NAMES.contains(&name.as_str()), "`{name}` is no benchmark: name one of {}", NAMES.join(", "));
    }
    let is_wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    let guests = tokio::runtime::Builder::new_multi_thread().thread_name("guests").enable_all().build()?;
    let host = tokio::runtime::Builder::new_multi_thread().thread_name("host").enable_all().build()?;
    if is_wanted("throughput") {
        host.block_on(throughput::measure(guests.handle(), ROUNDS))?;
    }
    if is_wanted("size") {
        host.block_on(size::measure(guests.handle()))?;
    }
    if is_wanted("recovery") {
        host.block_on(recovery::measure(guests.handle(), ROUNDS))?;
    }
    if is_wanted("history") {
        host.block_on(history::measure(guests.handle()))?;
    }
    if is_wanted("schedule") {
        host.block_on(schedule::measure(guests.handle()))?;
    }
    guests.shutdown_background();
    Ok(())
}

/// The value in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
