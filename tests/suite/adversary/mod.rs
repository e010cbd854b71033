//! Guests that want to harm the host or to reach what is not theirs, all of them on one host: each ends as it must, the
//! host stays the same process, others' jobs go on at once, and in the end the host's memory is where it was.

mod abi;
mod case;
mod computing;
mod files;
mod handles;
mod hostcalls;
mod memory;
mod outside;
mod plans;
mod uploads;

use case::Case;
use latchwork_tests::{Host, HostBuilder, wait_for};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many guests are at it at a time.
const THREADS: usize = 4;

/// What the host may hold more after all guests than after the first few: 2 MiB of each of the some thirty memories that
/// were larger, which the pool keeps for the next call (as long as no more than 100 places are unused), the database's
/// pages, and what the allocator does not give back. The guests have written to more than a gigabyte.
const GROWTH_BYTES_MAX: u64 = 96 << 20;

#[test]
fn hostile_guests_end_as_they_must_and_harm_nobody() {
    let outside = files::Outside::new();
    let mut host = HostBuilder::new().flag("--allow-dir", outside.allowed()).start();
    host.api.upload_plugin("misbehave");
    let cases: Vec<Case> = [
        computing::cases(),
        memory::cases(),
        hostcalls::cases(),
        handles::cases(&outside),
        abi::cases(),
        files::cases(&outside),
        outside::cases(&host),
        plans::cases(),
    ]
    .into_iter()
    .flatten()
    .collect();
    assert!(cases.len() >= 45, "{} cases", cases.len());
    let names: BTreeSet<_> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len(), "each has a name of its own");

    // Code, connections and pages that the first calls fetch and that stay.
    play(&host, &cases[..8]);
    let before = resident_bytes(&host);
    play(&host, &cases);
    assert!(!host.has_ended(), "it is the same process all the time");
    outside.assert_untouched();
    let limit = before + GROWTH_BYTES_MAX;
    wait_for("the host's memory to come back", || (resident_bytes(&host) <= limit).then_some(()));
}

/// Plays all cases, a few at a time; after each, a good job is run. All that go wrong are named.
fn play(host: &Host, cases: &[Case]) {
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let played = catch_unwind(AssertUnwindSafe(|| {
                        case.play(&host.api);
                        host.api.assert_goes_on();
                    }));
                    if played.is_err() {
                        wrong.lock().unwrap().push(case.name);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// What of the host is in memory.
fn resident_bytes(host: &Host) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}
