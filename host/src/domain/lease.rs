//! How long an incarnation may believe that its segments are its own.

use super::timestamp::Timestamp;
use std::time::Duration;

/// How long a heartbeat is good for.
pub const LEASE_FOR: Duration = Duration::from_secs(15);

/// How often a host renews: three tries fit in one lease.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);

/// What clocks of two hosts may differ by, with room to spare.
const MARGIN: Duration = Duration::from_secs(2);

/// An incarnation's belief in its own lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trust {
    until: Timestamp,
}

impl Trust {
    /// The belief that a renewal gives. It counts from *before* the query, so that a slow answer cannot stretch it.
    pub fn renewed(asked_at: Timestamp) -> Self {
        Self { until: asked_at + LEASE_FOR - MARGIN }
    }

    /// Whether the incarnation may still begin a task.
    pub fn holds(self, now: Timestamp) -> bool {
        now < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_ends_a_margin_before_the_lease_does() {
        let asked_at = Timestamp::from_ms(1_000);
        let trust = Trust::renewed(asked_at);
        assert!(trust.holds(asked_at + Duration::from_millis(12_999)));
        assert!(!trust.holds(asked_at + Duration::from_millis(13_000)));
    }
}
