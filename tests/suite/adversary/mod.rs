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
use std::path::Path;
use std::sync::Mutex;

/// How many guests are at it at a time.
const THREADS: usize = 4;

/// What the host may hold more after all guests than after the first few: what four lanes keep of a call for the next
/// (2 MiB of a memory's pages and 160 KiB of each of 8 tables), the database's pages, and what the allocator does not give
/// back. The guests took more than twenty times as much.
const GROWTH_BYTES_MAX: u64 = 48 << 20;

#[test]
fn hostile_guests_end_as_they_must_and_harm_nobody() {
    let outside = files::Outside::new();
    let host = HostBuilder::new().flag("--allow-dir", outside.allowed()).start();
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
    play(&host, &cases.iter().take(8).collect::<Vec<_>>());
    let before = resident_bytes(&host);
    play(&host, &cases.iter().collect::<Vec<_>>());
    outside.assert_untouched();
    let limit = before + GROWTH_BYTES_MAX;
    wait_for("the host's memory to come back", || {
        let now = resident_bytes(&host);
        (now <= limit).then_some(())
    });
}

/// Plays all cases, a few at a time; after each, a good job is run.
fn play(host: &Host, cases: &[&Case]) {
    let left = Mutex::new(cases.to_vec());
    let pid = host.pid();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(case) = left.lock().unwrap().pop() {
                    case.play(&host.api);
                    assert!(Path::new(&format!("/proc/{pid}")).exists(), "the host is gone after: {}", case.name);
                    host.api.assert_goes_on();
                }
            });
        }
    });
}

/// What of the host is in memory.
fn resident_bytes(host: &Host) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}
