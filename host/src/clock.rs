//! The only place that reads the time and waits for it.
#![expect(clippy::disallowed_methods, reason = "this is the place")]

use crate::domain::comparison::Comparison;
use crate::domain::lease::Reading;
use crate::domain::timestamp::Timestamp;
use async_trait::async_trait;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tracing::warn;

/// Where the time comes from.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The time.
    fn now(&self) -> Timestamp;

    /// How long something has been running: never goes back, whatever is done to the machine's clock.
    fn uptime(&self) -> Duration;

    /// What both show.
    fn reading(&self) -> Reading {
        Reading { now: self.now(), uptime: self.uptime() }
    }

    /// Sets the time of day by another clock, and tells by how much. A clock that is moved by hand stays as it is.
    fn correct(&self, _: &Comparison) -> Duration {
        Duration::ZERO
    }

    /// Returns when the time has come; at once where it has passed.
    async fn sleep_until(&self, at: Timestamp);

    /// Returns when the span has passed.
    async fn sleep_for(&self, span: Duration) {
        self.sleep_until(self.now() + span).await;
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        chrono::Utc::now().into()
    }

    fn uptime(&self) -> Duration {
        static FIRST_ASKED_AT: OnceLock<Instant> = OnceLock::new();
        FIRST_ASKED_AT.get_or_init(Instant::now).elapsed()
    }

    async fn sleep_until(&self, at: Timestamp) {
        tokio::time::sleep(at.since(self.now())).await;
    }
}

/// A correction that the operator is told of: the machine's clock wants looking after.
const TOLD_FROM_MS: u64 = 1_000;

/// The machine's clock, set by the database's where that has one: so all hosts go by one time.
#[derive(Debug, Default)]
pub struct CorrectedClock {
    /// By how much the machine's clock is behind, in milliseconds.
    behind_ms: AtomicI64,
    /// What of that the operator was told.
    told_ms: AtomicI64,
    /// By how much the machine's clock is wrong because a test wants it to be.
    wrong_by_ms: i64,
}

impl CorrectedClock {
    /// A clock on a machine whose own is ahead by so much, for tests of what follows.
    #[cfg(debug_assertions)]
    pub fn on_a_machine_ahead_by(ms: i64) -> Self {
        Self { wrong_by_ms: ms, ..Self::default() }
    }
}

#[async_trait]
impl Clock for CorrectedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(SystemClock.now().ms() + self.wrong_by_ms + self.behind_ms.load(Ordering::Relaxed))
    }

    fn uptime(&self) -> Duration {
        SystemClock.uptime()
    }

    fn correct(&self, comparison: &Comparison) -> Duration {
        let correction_ms = comparison.correction_ms();
        let behind_ms = self.behind_ms.fetch_add(correction_ms, Ordering::Relaxed) + correction_ms;
        if behind_ms.abs_diff(self.told_ms.load(Ordering::Relaxed)) > TOLD_FROM_MS {
            self.told_ms.store(behind_ms, Ordering::Relaxed);
            let direction = if behind_ms > 0 { "behind" } else { "ahead of" };
            let off_by = Duration::from_millis(behind_ms.unsigned_abs());
            warn!(
                "The machine's clock is {off_by:?} {direction} the database's, by which this host goes; set it right"
            );
        }
        Duration::from_millis(correction_ms.unsigned_abs())
    }

    async fn sleep_until(&self, at: Timestamp) {
        SystemClock.sleep_for(at.since(self.now())).await;
    }
}

/// A clock that a test moves by hand.
#[derive(Debug)]
pub struct ManualClock {
    began_at: Timestamp,
    now: watch::Sender<Timestamp>,
}

impl ManualClock {
    /// A clock that stands at an instant.
    pub fn at(now: Timestamp) -> Self {
        Self { began_at: now, now: watch::Sender::new(now) }
    }

    /// Moves it forward; whoever waits for an instant in between wakes.
    pub fn advance(&self, by: Duration) {
        self.now.send_modify(|now| *now = *now + by);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    fn uptime(&self) -> Duration {
        self.now().since(self.began_at)
    }

    async fn sleep_until(&self, at: Timestamp) {
        let mut now = self.now.subscribe();
        // The sender lives in `self`, so the wait ends only by the time.
        let _ = now.wait_for(|now| *now >= at).await;
    }
}
