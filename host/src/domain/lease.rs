//! How long an incarnation may believe that its segments are its own, and when it may take others for dead.

use super::timestamp::Timestamp;
use std::time::Duration;

/// How long a heartbeat is good for: a dead host's work is taken over after that.
pub const LEASE_FOR: Duration = Duration::from_secs(4);

/// How often a host renews: three tries fit in one lease.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);

/// What clocks of two hosts may differ by, with room to spare: each is corrected by the database's.
const MARGIN: Duration = Duration::from_secs(1);

/// A clock that was corrected by more than this has asked for a lease from a wrong instant on, and asks again.
pub const CORRECTION_TOLERATED: Duration = Duration::from_millis(100);

/// What both clocks of a machine show at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The time of day, which people and other machines set.
    pub now: Timestamp,
    /// How long something has been running. It never goes back, but stands still while the machine sleeps.
    pub uptime: Duration,
}

/// An incarnation's belief in its own lease, and in what it sees of others'.
///
/// The first ends by either clock: one may have been set back, the other may have stood still. The second begins a lease
/// after the incarnation did, and again a lease after it had lost the first: whoever was cut off from the store knows
/// nothing of those who may have been cut off with it, and gives them the time to renew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trust {
    until: Reading,
    /// By the uptime: the time of day may be what was wrong.
    judges_from: Duration,
}

impl Trust {
    /// The belief of an incarnation that begins. It counts from *before* the query, so that a slow answer cannot
    /// stretch it.
    pub fn begun(asked_at: Reading) -> Self {
        let span = LEASE_FOR - MARGIN;
        let until = Reading { now: asked_at.now + span, uptime: asked_at.uptime + span };
        Self { until, judges_from: asked_at.uptime + LEASE_FOR }
    }

    /// The belief that a renewal gives, counted from before the query, too.
    #[must_use]
    pub fn renewed(self, asked_at: Reading) -> Self {
        let begun = Self::begun(asked_at);
        if self.holds(asked_at) { Self { judges_from: self.judges_from, ..begun } } else { begun }
    }

    /// The time of day at which it ends, where the machine does not sleep before.
    pub fn until(self) -> Timestamp {
        self.until.now
    }

    /// Whether the incarnation may still begin a task.
    pub fn holds(self, at: Reading) -> bool {
        at.now < self.until.now && at.uptime < self.until.uptime
    }

    /// Leases that ran out before this instant are those of the dead.
    pub fn expired_before(self, at: Reading) -> Timestamp {
        if self.holds(at) && at.uptime >= self.judges_from { at.now } else { Timestamp::MIN }
    }

    /// When it judges by leases again, at the earliest; none where it does.
    pub fn judges_at(self, at: Reading) -> Option<Timestamp> {
        let wait = if self.holds(at) { self.judges_from.saturating_sub(at.uptime) } else { LEASE_FOR };
        (!wait.is_zero()).then(|| at.now + wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(now_ms: i64, uptime_ms: u64) -> Reading {
        Reading { now: Timestamp::from_ms(1_000 + now_ms), uptime: Duration::from_millis(70 + uptime_ms) }
    }

    /// Both clocks have gone on by so much.
    fn after(ms: u32) -> Reading {
        reading(ms.into(), ms.into())
    }

    /// Renewed each second up to and with the last of them.
    fn renewed_until(seconds: u32) -> Trust {
        (1..=seconds).fold(Trust::begun(after(0)), |trust, second| trust.renewed(after(second * 1_000)))
    }

    #[test]
    fn trust_ends_a_margin_before_the_lease_does_by_whichever_clock_is_first() {
        let trust = Trust::begun(after(0));
        assert!(trust.holds(after(2_999)));
        assert!(!trust.holds(after(3_000)));
        assert!(!trust.holds(reading(3_000, 10)), "the machine has slept");
        assert!(!trust.holds(reading(-3_600_000, 3_000)), "the clock was set back");
    }

    #[test]
    fn who_has_just_begun_gives_others_the_time_of_a_lease() {
        assert_eq!(renewed_until(3).expired_before(after(3_999)), Timestamp::MIN);
        assert_eq!(renewed_until(3).judges_at(after(3_000)), Some(after(4_000).now));
        assert_eq!(renewed_until(4).expired_before(after(4_000)), after(4_000).now);
        assert_eq!(renewed_until(60).judges_at(after(60_500)), None);
    }

    #[test]
    fn who_was_cut_off_judges_nobody_before_it_has_renewed_and_given_others_the_time_to() {
        let lapsed = renewed_until(10);
        assert_eq!(lapsed.expired_before(after(13_000)), Timestamp::MIN, "its own lease comes first");
        assert_eq!(lapsed.judges_at(after(13_000)), Some(after(17_000).now));
        let back = lapsed.renewed(after(60_000));
        assert_eq!(back.expired_before(after(60_001)), Timestamp::MIN);
        assert_eq!(back.judges_at(after(60_001)), Some(after(64_000).now));
        let back = (61..=64).fold(back, |trust, second| trust.renewed(after(second * 1_000)));
        assert_eq!(back.expired_before(after(64_000)), after(64_000).now);
    }

    #[test]
    fn a_clock_that_jumps_takes_nobody_for_dead() {
        let trust = renewed_until(10);
        let jumped = reading(3_610_500, 10_500);
        assert_eq!(trust.expired_before(jumped), Timestamp::MIN);
        let slept = trust.renewed(jumped);
        assert_eq!(slept.expired_before(reading(3_610_600, 10_600)), Timestamp::MIN);
    }

    #[test]
    fn a_renewal_whose_answer_took_longer_than_the_lease_gives_nothing() {
        let trust = renewed_until(10).renewed(after(11_000));
        assert!(!trust.holds(after(20_000)));
        assert_eq!(trust.expired_before(after(20_000)), Timestamp::MIN);
    }
}
