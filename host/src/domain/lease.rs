//! How long an incarnation may believe that its segments are its own.

use super::timestamp::Timestamp;
use std::time::Duration;

/// How long a heartbeat is good for.
pub const LEASE_FOR: Duration = Duration::from_secs(15);

/// How often a host renews: three tries fit in one lease.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);

/// What clocks of two hosts may differ by, with room to spare.
const MARGIN: Duration = Duration::from_secs(2);

/// What both clocks of a machine show at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The time of day, which people and other machines set.
    pub now: Timestamp,
    /// How long something has been running. It never goes back, but stands still while the machine sleeps.
    pub uptime: Duration,
}

/// An incarnation's belief in its own lease. It ends by either clock: one may have been set back, the other may have
/// stood still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trust {
    until: Reading,
}

impl Trust {
    /// The belief that a renewal gives. It counts from *before* the query, so that a slow answer cannot stretch it.
    pub fn renewed(asked_at: Reading) -> Self {
        let span = LEASE_FOR - MARGIN;
        Self { until: Reading { now: asked_at.now + span, uptime: asked_at.uptime + span } }
    }

    /// The time of day at which it ends, where the machine does not sleep before.
    pub fn until(self) -> Timestamp {
        self.until.now
    }

    /// Whether the incarnation may still begin a task.
    pub fn holds(self, at: Reading) -> bool {
        at.now < self.until.now && at.uptime < self.until.uptime
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_ends_a_margin_before_the_lease_does_by_whichever_clock_is_first() {
        let reading = |now_ms: i64, uptime_ms: u64| Reading {
            now: Timestamp::from_ms(1_000 + now_ms),
            uptime: Duration::from_millis(70 + uptime_ms),
        };
        let trust = Trust::renewed(reading(0, 0));
        assert!(trust.holds(reading(12_999, 12_999)));
        assert!(!trust.holds(reading(13_000, 13_000)));
        assert!(!trust.holds(reading(13_000, 10)), "the machine has slept");
        assert!(!trust.holds(reading(-3_600_000, 13_000)), "the clock was set back");
    }
}
