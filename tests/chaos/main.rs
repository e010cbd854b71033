//! Chaos: real hosts on a real PostgreSQL, while hosts are killed and paused, the server crashes and cables are cut.
//!
//! `LATCHWORK_CHAOS_SEED=N` chooses the order of the faults and whom they meet; a failure prints it. What happens is decided
//! by the interval's progress and by what can be seen to have followed, never by the time.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are tests")]

mod faults;
mod observer;
mod scene;

use faults::schedule;
use latchwork_tests::Witness;
use observer::Observer;
use scene::{HOSTS, MAX_PARALLEL, Scene, TASKS};
use std::collections::BTreeMap;

/// The seed, where nothing else is said.
const SEED: u64 = 4;

#[test]
fn whatever_fails_every_task_is_called_and_none_after_it_was_recorded() {
    let seed = std::env::var("LATCHWORK_CHAOS_SEED").ok().map_or(SEED, |seed| seed.parse().unwrap());
    let faults = schedule(seed, HOSTS);
    println!("LATCHWORK_CHAOS_SEED={seed}: {faults:?}");
    let witness = Witness::new();
    let mut scene = Scene::new(&witness);
    let interval = scene.begin(&witness);
    let observer = Observer::of(scene.server.port(), &interval, TASKS);
    for (number, fault) in faults.iter().enumerate() {
        let due = TASKS as usize * (number + 1) / (faults.len() + 2);
        scene.wait_for("the interval to go on", |_| observer.recorded() >= due);
        println!("{} recorded: {fault:?}", observer.recorded());
        scene.play(*fault);
    }
    scene.wait_for("the interval to end", |scene| !scene.is_open(&interval));
    let seen = observer.end();

    let (state, duplicates) = scene.outcome(&interval);
    assert_eq!(state, "succeeded");
    assert_eq!(seen.forgotten, [] as [usize; 0], "what was recorded once stays so");
    assert!(seen.recorded_at.iter().all(Option::is_some), "all are recorded at the end");
    let calls = witness.call_times();
    let mut counts: BTreeMap<u32, u32> = (0..TASKS).map(|index| (index, 0)).collect();
    for (index, called_at) in &calls {
        *counts.get_mut(index).unwrap() += 1;
        let recorded_at = seen.recorded_at[*index as usize].unwrap();
        assert!(*called_at <= recorded_at, "task {index} was called at {called_at}, recorded by {recorded_at}");
    }
    assert!(counts.values().all(|count| *count > 0), "every task is called");
    let again = i64::try_from(calls.len()).unwrap() - i64::from(TASKS);
    let ends = scene.ended_incarnations();
    println!("{again} calls too many, {duplicates} reported, {ends} incarnations ended, {} looks", seen.looks);
    assert!(again <= duplicates, "{again} calls were made again, {duplicates} are reported");
    assert!(again <= ends * i64::from(MAX_PARALLEL), "{again} calls were made again, by {ends} incarnations");
}
