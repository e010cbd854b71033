//! What the end of an attempt means for its task.

use super::ids::TaskIndex;
use super::retry::{RetryPolicy, Verdict};
use super::task::{Failure, Outcome};
use super::timestamp::Timestamp;
use super::worklist::{Retry, Settlement};

/// What is recorded of an attempt.
#[derive(Debug, PartialEq)]
pub struct Judgement<T> {
    /// What becomes of the task.
    pub settlement: Settlement,
    /// What a successful call left.
    pub value: Option<T>,
    /// Why the attempt failed, if it did, and when the task is tried again, if it is.
    pub failure: Option<(Failure, Option<Timestamp>)>,
}

/// Judges how `attempt` (from 1) at a task ended.
pub fn judge<T>(
    outcome: Outcome<T>,
    policy: &RetryPolicy,
    index: TaskIndex,
    attempt: u32,
    now: Timestamp,
) -> Judgement<T> {
    let failure = match outcome {
        Outcome::Succeeded(value) => {
            return Judgement { settlement: Settlement::Completed, value: Some(value), failure: None };
        }
        Outcome::Failed(failure) => failure,
    };
    // Different for neighbours, so that tasks that failed together do not come back together.
    let seed = u64::from(index.0) << 32 | u64::from(attempt);
    match policy.after(failure.kind, attempt, seed) {
        Verdict::GiveUp => Judgement { settlement: Settlement::Failed, value: None, failure: Some((failure, None)) },
        Verdict::RetryAfter(wait) => {
            let due_at = now + wait;
            let settlement = Settlement::Retried(Retry { attempts: attempt, due_at });
            Judgement { settlement, value: None, failure: Some((failure, Some(due_at))) }
        }
    }
}
