//! The figures that the project claims, measured in one run and printed as ratios: machines are noisy.
#![expect(clippy::print_stdout, reason = "it is what a benchmark is for")]

mod bare;
mod call;
mod calls;
mod cold_start;
mod commits;
mod heartbeat;
mod history;
mod hosts;
mod recovery;
mod rounds;
mod schedule;
mod size;
mod throughput;
mod workshop;

use anyhow::{Result, ensure};
use tokio::runtime::Handle;

/// How often each throughput is measured; the median counts.
const ROUNDS: usize = 3;

const NAMES: [&str; 10] =
    ["call", "cold-start", "throughput", "hosts", "commits", "size", "recovery", "history", "schedule", "heartbeat"];

fn main() -> Result<()> {
    let only = std::env::args().nth(1);
    if let Some(name) = &only {
        ensure!(NAMES.contains(&name.as_str()), "`{name}` is no benchmark: name one of {}", NAMES.join(", "));
    }
    let is_wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    let guests = tokio::runtime::Builder::new_multi_thread().thread_name("guests").enable_all().build()?;
    let host = tokio::runtime::Builder::new_multi_thread().thread_name("host").enable_all().build()?;
    if is_wanted("call") {
        host.block_on(call::measure(guests.handle()))?;
    }
    if is_wanted("cold-start") {
        cold_start::measure()?;
    }
    if is_wanted("throughput") {
        host.block_on(throughput::measure(guests.handle(), ROUNDS))?;
    }
    if is_wanted("hosts") {
        host.block_on(hosts::measure(guests.handle(), ROUNDS))?;
    }
    if is_wanted("commits") {
        host.block_on(commits::measure(guests.handle()))?;
    }
    if is_wanted("size") {
        host.block_on(size::measure(guests.handle()))?;
    }
    if is_wanted("recovery") {
        host.block_on(recovery::measure(guests.handle(), ROUNDS))?;
    }
    if is_wanted("history") {
        on_one_core(history::measure)?;
    }
    if is_wanted("schedule") {
        host.block_on(schedule::measure(guests.handle()))?;
    }
    if is_wanted("heartbeat") {
        host.block_on(heartbeat::measure())?;
    }
    guests.shutdown_background();
    Ok(())
}

/// Measures where no thread wakes another core: how long that takes differs from one store to the next by more than what is
/// looked for.
fn on_one_core(measure: impl AsyncFnOnce(&Handle) -> Result<()> + Send) -> Result<()> {
    let pinned = || {
        let core = core_affinity::get_core_ids().and_then(|cores| cores.last().copied());
        ensure!(core.is_some_and(core_affinity::set_for_current), "this thread cannot be kept on one core");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(measure(runtime.handle()))
    };
    // Threads that it starts stay there, too.
    std::thread::scope(|scope| scope.spawn(pinned).join().expect("a benchmark that fails says so"))
}

/// The value in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
