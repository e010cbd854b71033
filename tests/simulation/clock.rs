//! The time, moved by hand, and each host's own view of it.

use async_trait::async_trait;
use latchwork::clock::Clock;
use latchwork::domain::timestamp::Timestamp;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::oneshot;

/// The time of the world, and who waits for it, in the order in which they came.
pub(crate) struct Timeline(Mutex<Inner>);

struct Inner {
    now: Timestamp,
    /// How long the machines have been awake.
    passed: Duration,
    set_back_by: Duration,
    sleepers: Vec<Sleeper>,
}

struct Sleeper {
    until: Timestamp,
    wake: oneshot::Sender<()>,
}

impl Timeline {
    pub(crate) fn at(now: Timestamp) -> Self {
        Self(Mutex::new(Inner { now, passed: Duration::ZERO, set_back_by: Duration::ZERO, sleepers: Vec::new() }))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner().now
    }

    fn passed(&self) -> Duration {
        self.inner().passed
    }

    pub(crate) fn advance(&self, by: Duration) {
        let mut inner = self.inner();
        inner.now = inner.now + by;
        inner.passed += by;
        inner.wake();
    }

    /// Time passes while the machines sleep.
    pub(crate) fn sleep_through(&self, by: Duration) {
        let mut inner = self.inner();
        inner.now = inner.now + by;
        inner.wake();
    }

    /// Sets the clocks of all hosts back.
    pub(crate) fn go_back(&self, by: Duration) {
        let mut inner = self.inner();
        inner.now = inner.now - by;
        inner.set_back_by += by;
    }

    /// By how much they were set back in all.
    pub(crate) fn set_back_by(&self) -> Duration {
        self.inner().set_back_by
    }

    async fn sleep_until(&self, until: Timestamp) {
        let woken = {
            let mut inner = self.inner();
            if until <= inner.now {
                return;
            }
            let (wake, woken) = oneshot::channel();
            inner.sleepers.retain(|sleeper| !sleeper.wake.is_closed());
            inner.sleepers.push(Sleeper { until, wake });
            woken
        };
        // The sender lives as long as the time does, so the wait ends only by the time.
        let _ = woken.await;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }
}

impl Inner {
    fn wake(&mut self) {
        let (due, later) = self.sleepers.drain(..).partition(|sleeper| sleeper.until <= self.now);
        self.sleepers = later;
        let mut due: Vec<Sleeper> = due;
        due.sort_by_key(|sleeper| sleeper.until);
        for sleeper in due {
            // Whoever gave up the wait does not listen.
            let _ = sleeper.wake.send(());
        }
    }
}

/// A host's clock, which goes a little before or after the world's.
pub(crate) struct HostClock {
    timeline: Arc<Timeline>,
    ahead: Duration,
}

/// Hosts' clocks differ by at most this; a lease allows for 1 s.
pub(crate) const AHEAD_MAX: Duration = Duration::from_millis(900);

impl HostClock {
    pub(crate) fn new(timeline: &Arc<Timeline>, ahead: Duration) -> Self {
        Self { timeline: Arc::clone(timeline), ahead }
    }
}

#[async_trait]
impl Clock for HostClock {
    fn now(&self) -> Timestamp {
        self.timeline.now() + self.ahead
    }

    fn uptime(&self) -> Duration {
        self.timeline.passed()
    }

    async fn sleep_until(&self, at: Timestamp) {
        self.timeline.sleep_until(at - self.ahead).await;
    }
}
