//! How far this machine's clock is off another one.

use super::lease::Reading;
use super::timestamp::Timestamp;

/// What another clock showed between two readings of this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comparison {
    /// Before the other one was asked.
    pub asked_at: Reading,
    /// When its answer had come.
    pub answered_at: Reading,
    /// What it showed.
    pub theirs: Timestamp,
}

impl Comparison {
    /// By how many milliseconds this clock must be moved on; back where that is negative.
    ///
    /// The other clock was read somewhere in the round trip, which is measured by the uptime. Where this clock places the
    /// reading within it, nothing proves it wrong, and it stays: so a slow round trip corrects what is far off alone, and
    /// times do not tremble. Otherwise the middle is the best guess, and wrong by half the round trip at most.
    pub fn correction_ms(&self) -> i64 {
        let round_trip = self.answered_at.uptime.saturating_sub(self.asked_at.uptime);
        let half_ms = i64::try_from(round_trip.as_millis() / 2).unwrap_or(i64::MAX);
        let off_ms = self.theirs.ms().saturating_sub(self.answered_at.now.ms().saturating_sub(half_ms));
        // Both clocks tell whole milliseconds.
        if off_ms.saturating_abs() <= half_ms.saturating_add(1) { 0 } else { off_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// The correction after a round trip of so long, in the middle of which the other clock is ahead by so much.
    fn correction(round_trip_ms: u32, ahead_ms: i64) -> i64 {
        let reading = |ms: u32| Reading {
            now: Timestamp::from_ms(1_000_000 + i64::from(ms)),
            uptime: Duration::from_millis(50 + u64::from(ms)),
        };
        let theirs = Timestamp::from_ms(1_000_000 + i64::from(round_trip_ms / 2) + ahead_ms);
        Comparison { asked_at: reading(0), answered_at: reading(round_trip_ms), theirs }.correction_ms()
    }

    #[test]
    fn a_clock_is_moved_by_what_the_middle_of_the_round_trip_shows() {
        assert_eq!(correction(4, 3_600_000), 3_600_000);
        assert_eq!(correction(4, -3_600_000), -3_600_000);
    }

    #[test]
    fn what_the_round_trip_may_explain_is_left_alone() {
        for (round_trip_ms, ahead_ms) in [(0, 1), (4, 2), (4, -3), (2_000, 1_000), (2_000, -900)] {
            assert_eq!(correction(round_trip_ms, ahead_ms), 0, "{round_trip_ms} {ahead_ms}");
        }
        assert_eq!(correction(2_000, 1_500), 1_500);
    }

    #[test]
    fn a_clock_that_was_set_on_the_way_is_taken_as_it_is_now() {
        let asked_at = Reading { now: Timestamp::from_ms(0), uptime: Duration::from_millis(0) };
        let answered_at = Reading { now: Timestamp::from_ms(3_600_004), uptime: Duration::from_millis(4) };
        let comparison = Comparison { asked_at, answered_at, theirs: Timestamp::from_ms(2) };
        assert_eq!(comparison.correction_ms(), -3_600_000);
    }
}
