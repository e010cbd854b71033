//! Uploads: whatever the bytes are, they are refused with a reason, or they are a plugin whose calls end in time.

use crate::guests;
use crate::rounds::fuzz;
use crate::surroundings::{self, TIMEOUT};
use latchwork::domain::digest::Digest;
use latchwork::domain::plan::Plan;
use latchwork::domain::task::{Failure, FailureKind, Outcome};
use latchwork::sandbox::{Compiler, Reach, Sandbox};
use std::time::{Duration, Instant};

/// How much longer than its limit a call may take, on a machine that does other things.
const LATE: Duration = Duration::from_secs(10);

#[test]
fn uploads() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let sandbox = Sandbox::new(Compiler::within_this_process()).unwrap();
    let reach = Reach::default();
    fuzz("uploads", move |dice| {
        let bytes = guests::upload(dice);
        let digest = Digest::of(&bytes);
        runtime.block_on(async {
            let plugin = match sandbox.load(bytes).await {
                Ok(plugin) => plugin,
                Err(refusal) => return assert!(!refusal.to_string().is_empty()),
            };
            let begun = Instant::now();
            let job = surroundings::job();
            match plugin.plan(&job, surroundings::of_plan(&reach)).await.outcome {
                Outcome::Succeeded(output) => drop(Plan::new(output.stages, 1)),
                Outcome::Failed(failure) => check(&failure),
            }
            if let Outcome::Failed(failure) = plugin.run(&surroundings::task(&job), surroundings::of_task(&reach)).await.outcome {
                check(&failure);
            }
            let taken = begun.elapsed();
            assert!(taken < 2 * TIMEOUT + LATE, "two calls took {taken:?}");
        });
        sandbox.forget(&digest);
    });
}

/// No guest can make the host say that the host is at fault.
fn check(failure: &Failure) {
    assert!(!matches!(failure.kind, FailureKind::Host | FailureKind::Poison), "{failure:?}");
}
