//! The promise that must never fail: a host that is killed again and again loses nothing and repeats almost nothing.

use latchwork::domain::ids::TaskIndex;
use latchwork::store::{SqliteStore, Store};
use latchwork_tests::{Host, HostBuilder};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

const TASKS: u32 = 5_000;
const KILLS: u32 = 50;
const MAX_PARALLEL: usize = 8;

/// Set this variable to run a sequence of kills again.
const SEED: &str = "LATCHWORK_CRASH_SEED";

/// How often each index has been called, as the outside observer saw it.
type Calls = BTreeMap<u32, u32>;

#[test]
fn fifty_kills_lose_no_task_repeat_no_completed_one_and_bound_the_duplicates() {
    let seed: u64 = std::env::var(SEED).map_or_else(|_| rand::rng().random(), |seed| seed.parse().expect("a number"));
    tell(&format!("{SEED}={seed}"));
    let mut random = StdRng::seed_from_u64(seed);
    let witness = TempDir::new().unwrap();
    let builder = HostBuilder::new()
        .flag("--allow-dir", format!("{}:rw", witness.path().display()))
        // This test kills more often than a poison task would: no innocent may be blamed.
        .flag("--max-recovery-attempts", 1_000);

    let mut host = builder.start();
    let interval = start_interval(&host, witness.path());
    let mut calls_of_completed = Calls::new();
    let mut lives = Lives::default();
    let mut kills = KILLS;
    for kill in 1..=KILLS {
        run_and_kill(host, &interval, &mut random, KILLS - kill);
        lives.end(calls(witness.path()));
        if random.random_bool(0.2) {
            kill_while_starting(&builder, &mut random);
            kills += 1;
            lives.end(calls(witness.path()));
        }
        let calls = calls(witness.path());
        let completed = recorded_as_completed(&builder.database(), &interval);
        assert!(completed.len() < TASKS as usize, "seed {seed}: the interval ended before kill {kill}");
        for (index, count) in &calls_of_completed {
            assert!(completed.contains(index), "seed {seed}, kill {kill}: the completion of {index} was forgotten");
            assert_eq!(calls[index], *count, "seed {seed}, kill {kill}: {index} was called after it had completed");
        }
        calls_of_completed = completed.iter().map(|index| (*index, calls[index])).collect();
        host = builder.start();
    }
    let ended = host.api.ended(&interval);

    assert_eq!((&ended["state"], &ended["completed"]), (&json!("succeeded"), &json!(TASKS)), "seed {seed}: {ended}");
    let calls = calls(witness.path());
    assert_eq!(calls.len(), TASKS as usize, "seed {seed}: every index ran");
    for (index, count) in &calls_of_completed {
        assert_eq!(calls[index], *count, "seed {seed}: {index} was called after it had completed");
    }
    let repeated: u32 = calls.values().map(|count| count - 1).sum();
    let counted = ended["duplicates"].as_u64().unwrap();
    tell(&format!("{kills} kills: {repeated} calls repeated, {counted} tasks known to have been in flight"));
    lives.end(calls);
    let caused = &lives.repeats;
    assert!(caused.iter().all(|repeats| *repeats <= MAX_PARALLEL), "seed {seed}: repeats by each kill: {caused:?}");
    assert!(u64::from(repeated) <= counted, "seed {seed}: {repeated} repeated, {counted} counted");
    assert!(counted <= u64::from(kills) * MAX_PARALLEL as u64, "seed {seed}: {counted} duplicates");
}

/// What the outside observer saw, life by life of the host: each life but the last ends with a kill.
#[derive(Default)]
struct Lives {
    calls: Calls,
    /// The life in which each index was called last.
    called_in: BTreeMap<u32, usize>,
    /// How many calls each life's kill cut off that were repeated later, in whichever life that was.
    repeats: Vec<usize>,
}

impl Lives {
    /// Takes in all calls up to the end of a life.
    fn end(&mut self, calls: Calls) {
        let life = self.repeats.len();
        self.repeats.push(0);
        for (index, count) in &calls {
            let new = count - self.calls.get(index).copied().unwrap_or(0);
            assert!(new <= 1, "{index} was called {new} times in one life of the host");
            if new == 1
                && let Some(cut_off_in) = self.called_in.insert(*index, life)
            {
                self.repeats[cut_off_in] += 1;
            }
        }
        self.calls = calls;
    }
}

/// Tells whoever runs the tests, also when this one passes: the harness captures `println!`, not what is written here.
fn tell(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("stderr is open");
}

fn start_interval(host: &Host, witness: &Path) -> String {
    host.api.upload_plugin("misbehave");
    let payload = json!({ "act": "witness", "directory": "/witness", "ms": 2 });
    let grant = json!({ "path": witness, "mount": "/witness", "access": "read-write" });
    let job = host.api.manual_job(
        "misbehave",
        &payload,
        json!({ "tasks": TASKS, "max_parallel": MAX_PARALLEL, "grants": { "directories": [grant] } }),
    );
    host.api.trigger(&job)
}

/// Kills the host at a random moment after about its share of the tasks that are left.
fn run_and_kill(host: Host, interval: &str, random: &mut StdRng, kills_left: u32) {
    let before = host.api.interval(interval)["completed"].as_u64().unwrap();
    let share = (u64::from(TASKS) - before) / u64::from(kills_left + 2);
    let until = before + random.random_range(0..=share);
    host.api
        .wait_for_interval(interval, |view| view["state"] == "running" && view["completed"].as_u64() >= Some(until));
    host.kill();
}

/// Starts the host and kills it within its first moments: while it migrates, recovers, or has just begun.
fn kill_while_starting(builder: &HostBuilder, random: &mut StdRng) {
    let starting = builder.spawn();
    // Nothing waits for this moment: that it is a random one is the point.
    std::thread::sleep(Duration::from_millis(random.random_range(0..60)));
    starting.kill();
}

/// Reads the dead host's database: what it holds is what recovery goes by.
fn recorded_as_completed(database: &Path, interval: &str) -> BTreeSet<u32> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let segments = runtime.block_on(async {
        let store = SqliteStore::open(database).await.expect("the dead host has left its lock");
        store.segments(interval.parse().unwrap(), TaskIndex(0), u32::MAX).await.unwrap()
    });
    segments.iter().flat_map(|segment| segment.progress.done().iter().map(|offset| segment.first + offset)).collect()
}

fn calls(witness: &Path) -> Calls {
    let mut calls = Calls::new();
    for entry in std::fs::read_dir(witness).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let index = name.split('-').next().and_then(|index| index.parse().ok()).expect("INDEX-ATTEMPT-TOKEN");
        *calls.entry(index).or_default() += 1;
    }
    calls
}
