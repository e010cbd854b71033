//! Uploads: whatever the bytes are, they are refused with a reason, or they are a plugin whose calls end in time.

use crate::guests;
use crate::rounds::{fuzz, tell};
use crate::surroundings::{self, LATE, TIMEOUT};
use latchwork::domain::digest::Digest;
use latchwork::domain::plan::Plan;
use latchwork::domain::task::{Failure, FailureKind, Outcome};
use latchwork::sandbox::{Compiler, Plugin, Sandbox, WarmCell};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// How many tasks a plugin is given, one after another in one sandbox as long as they succeed.
const TASKS: u32 = 3;

/// How far uploads got.
#[derive(Default)]
struct Tally {
    plugins: AtomicU64,
    calls: AtomicU64,
    successes: AtomicU64,
}

#[test]
fn uploads() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let sandbox = Sandbox::new(Compiler::within_this_process()).unwrap();
    let tally = Arc::new(Tally::default());
    let counted = Arc::clone(&tally);
    let directory = tempfile::tempdir().unwrap();
    fuzz("uploads", move |dice| {
        let bytes = guests::upload(dice);
        let digest = Digest::of(&bytes);
        match runtime.block_on(sandbox.load(bytes)) {
            Ok(plugin) => runtime.block_on(play(&plugin, directory.path(), &counted)),
            Err(refusal) => assert!(!refusal.to_string().is_empty()),
        }
        sandbox.forget(&digest);
    });
    let [plugins, calls, successes] =
        [&tally.plugins, &tally.calls, &tally.successes].map(|number| number.load(Ordering::Relaxed));
    tell(&format!("uploads: {plugins} were plugins; {successes} of their {calls} calls succeeded"));
}

async fn play(plugin: &Plugin, directory: &Path, tally: &Tally) {
    let scope = surroundings::scope(surroundings::directory(directory));
    tally.plugins.fetch_add(1, Ordering::Relaxed);
    let begun = Instant::now();
    match plugin.plan(surroundings::of_plan(&scope)).await.outcome {
        Outcome::Succeeded(output) => {
            tally.successes.fetch_add(1, Ordering::Relaxed);
            // Sound or not.
            let _ = Plan::new(output.stages, 1);
        }
        Outcome::Failed(failure) => check(&failure),
    }
    let mut warm = WarmCell::for_calls(TASKS);
    for _ in 0..TASKS {
        let report = plugin.run(&surroundings::task(), surroundings::of_task(&scope, &mut warm)).await;
        match report.outcome {
            Outcome::Succeeded(_) => drop(tally.successes.fetch_add(1, Ordering::Relaxed)),
            Outcome::Failed(failure) => check(&failure),
        }
    }
    tally.calls.fetch_add(u64::from(TASKS) + 1, Ordering::Relaxed);
    let taken = begun.elapsed();
    assert!(taken < (TASKS + 1) * TIMEOUT + LATE, "{} calls took {taken:?}", TASKS + 1);
}

/// No guest can make the host say that the host is at fault.
fn check(failure: &Failure) {
    assert!(!matches!(failure.kind, FailureKind::Host | FailureKind::Poison), "{failure:?}");
}
