//! Many seeds, on all cores.

use crate::run::{Report, run};
use crate::tally::Tally;
use std::ops::RangeInclusive;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::runtime::{Builder, Runtime};

/// The threads that sqlx needs beside a run's own.
fn threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Runs one seed.
pub(crate) fn run_one(seed: u64) -> Report {
    run(seed, threads().handle())
}

/// After so many failures nothing new is learnt.
const FAILURES_MAX: usize = 4;

/// Runs seeds, and answers with what they covered, or with the failures.
pub(crate) fn run_all(seeds: RangeInclusive<u64>) -> Result<String, String> {
    let next = AtomicU64::new(*seeds.start());
    let tally = Mutex::new(Tally::default());
    let failures = Mutex::new(Vec::new());
    let work = || {
        let threads = threads();
        while failures.lock().unwrap().len() < FAILURES_MAX {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if !seeds.contains(&seed) {
                return;
            }
            let report = run(seed, threads.handle());
            tally.lock().unwrap().add(&report.tally);
            if !report.violations.is_empty() {
                failures.lock().unwrap().push(report);
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    let mut failures = failures.into_inner().unwrap();
    failures.sort_by_key(|report| report.seed);
    match failures.first() {
        None => Ok(format!("{} seeds, in which happened:\n{}", seeds.count(), tally.into_inner().unwrap())),
        Some(first) => {
            let all: Vec<_> =
                failures.iter().map(|report| format!("  seed {}: {}", report.seed, report.violations[0])).collect();
            Err(format!("{}\nall failures:\n{}\n", first.failure(), all.join("\n")))
        }
    }
}
