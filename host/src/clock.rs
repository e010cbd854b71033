//! The only place that reads the time and waits for it.
#![expect(clippy::disallowed_methods, reason = "this is the place")]

use crate::domain::lease::Reading;
use crate::domain::timestamp::Timestamp;
use async_trait::async_trait;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tokio::sync::watch;

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
