//! Guests that want to harm the host or to reach what is not theirs, all of them on one host but those that send
//! requests: each ends as it must, the host stays the same process, others' jobs go on at once, and in the end the host's
//! memory is where it was.

mod abi;
mod case;
mod computing;
mod files;
mod handles;
mod hostcalls;
mod memory;
mod outside;
mod plans;
mod requests;
mod uploads;

use case::Case;
use latchwork_tests::{Host, HostBuilder, wait_for};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many guests are at it at a time.
const THREADS: usize = 4;

/// What the host may hold more after all guests have been at it once more: places of the pool that were not used the first
/// time (2 MiB of each of 32 stay resident), the database's pages, and what the allocator does not give back. In each turn
/// the guests write to more than a gigabyte. Seen in nine further turns: 14, 8, 3, 1, 4, 0, 2, 1 MiB.
const GROWTH_BYTES_MAX: u64 = 48 << 20;

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

    // What stays after the first time: code, connections, and the places of the pool.
    play(&host, &cases);
    let before = resident_bytes(&host);
    play(&host, &cases);
    assert!(!host.has_ended(), "it is the same process all the time");
    outside.assert_untouched();
    let limit = before + GROWTH_BYTES_MAX;
    wait_for("the host's memory to come back", || (resident_bytes(&host) <= limit).then_some(()));
}

#[test]
fn hostile_requests_are_denied_and_their_guests_are_told_so() {
    let mut host = HostBuilder::new().flag("--allow-http", "http://*:*").start();
    host.api.upload_plugin("misbehave");
    play(&host, &requests::cases(&host));
    assert!(!host.has_ended(), "it is the same process all the time");
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
