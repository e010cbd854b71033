//! Whether and when a failed attempt is followed by another.

use super::task::FailureKind;
use backon::{BackoffBuilder, ExponentialBuilder};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// When a task is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RetryPolicy {
    /// How many attempts a task gets in all, at least 1.
    pub max_attempts: u32,
    /// The wait before the second attempt.
    pub backoff: Duration,
    /// By how much each further wait is longer than the one before, at least 1.
    pub factor: f32,
    /// The longest wait, jitter aside.
    pub max_backoff: Duration,
    /// Whether each wait is longer by a random span of up to as much again, so that tasks that failed together do not
    /// come back together.
    pub jitter: bool,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            backoff: Duration::from_secs(1),
            factor: 2.0,
            max_backoff: Duration::from_secs(300),
            jitter: true,
        }
    }
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Another attempt, after this wait.
    RetryAfter(Duration),
    /// No further attempt.
    GiveUp,
}

impl RetryPolicy {
    /// Decides what follows the failed `attempt` (from 1).
    ///
    /// Waits grow exponentially. The same `seed` gives the same jitter.
    pub fn after(&self, kind: FailureKind, attempt: u32, seed: u64) -> Verdict {
        if !kind.is_retried() || attempt >= self.max_attempts {
            return Verdict::GiveUp;
        }
        let waits = ExponentialBuilder::default()
            .with_min_delay(self.backoff)
            .with_factor(self.factor)
            .with_max_delay(self.max_backoff)
            .without_max_times();
        let mut waits = if self.jitter { waits.with_jitter().with_jitter_seed(seed) } else { waits }.build();
        Verdict::RetryAfter(waits.nth(attempt as usize - 1).unwrap_or(self.max_backoff))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        max_attempts: 5,
        backoff: Duration::from_millis(100),
        factor: 2.0,
        max_backoff: Duration::from_millis(300),
        jitter: true,
    };

    #[test]
    fn waits_grow_to_the_cap_and_carry_a_jitter_of_at_most_as_much_again() {
        for (attempt, floor_ms) in [(1, 100), (2, 200), (3, 300), (4, 300)] {
            for seed in 0..50 {
                let Verdict::RetryAfter(wait) = POLICY.after(FailureKind::Retryable, attempt, seed) else {
                    panic!("attempt {attempt} of 5 is followed by another");
                };
                assert!(wait >= Duration::from_millis(floor_ms), "{attempt}: {wait:?}");
                assert!(wait <= Duration::from_millis(floor_ms * 2), "{attempt}: {wait:?}");
            }
        }
    }

    #[test]
    fn without_jitter_waits_are_what_the_policy_says() {
        let policy = RetryPolicy { jitter: false, ..POLICY };
        let waits = [1, 2, 3, 4].map(|attempt| match policy.after(FailureKind::Retryable, attempt, 7) {
            Verdict::RetryAfter(wait) => wait.as_millis(),
            Verdict::GiveUp => panic!("attempt {attempt} of 5 is followed by another"),
        });
        assert_eq!(waits, [100, 200, 300, 300]);
    }

    #[test]
    fn the_last_attempt_and_a_fatal_error_are_final() {
        assert_eq!(POLICY.after(FailureKind::Retryable, 5, 0), Verdict::GiveUp);
        assert_eq!(POLICY.after(FailureKind::Fatal, 1, 0), Verdict::GiveUp);
        assert_eq!(POLICY.after(FailureKind::OutOfMemory, 1, 0), Verdict::GiveUp);
    }
}
