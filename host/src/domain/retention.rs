//! Which ended intervals are kept, and for how long what they leave behind.

use super::ids::IntervalId;
use super::rules::Retention;
use super::timestamp::Timestamp;
use std::time::Duration;

/// For how long a version of a plugin that is no longer current, and a host that is no longer alive, are kept after the
/// last interval that refers to them.
pub const GRACE: Duration = Duration::from_hours(24);

/// What becomes of the intervals of a deleted job.
pub const NOTHING: Retention = Retention { intervals: Some(0), days: None };

const DAY: Duration = Duration::from_hours(24);

/// Free pages below this share of the file are left to what comes: giving them back would only have the file grow again.
const FREE_SHARE_KEPT: u64 = 4;

/// The ended intervals of a job, as far as a decision needs them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// How many have run.
    pub ran: u64,
    /// How many are records of firings that did not run.
    pub unrun: u64,
    /// The oldest of both, the oldest first.
    pub oldest: Vec<EndedInterval>,
}

/// An interval that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedInterval {
    /// Which.
    pub id: IntervalId,
    /// Whether it ran, or is the record of a firing that did not.
    pub did_run: bool,
    /// When it ended.
    pub finished_at: Timestamp,
    /// Whether an open interval takes its place or was fired by its end.
    pub is_needed: bool,
}

impl Retention {
    /// This one, and where it is silent that of the host.
    #[must_use]
    pub fn or(self, host: Self) -> Self {
        Self { intervals: self.intervals.or(host.intervals), days: self.days.or(host.days) }
    }
}

/// Those of the oldest intervals that are beyond the bounds.
///
/// Records of firings that did not run have a bound of their own, of the same height: a job that skips for a week must
/// not push out the runs that people look for.
pub fn beyond(history: &History, retention: Retention, now: Timestamp) -> Vec<IntervalId> {
    let excess = |count: u64| retention.intervals.map_or(0, |kept| count.saturating_sub(kept.into()));
    let (mut ran, mut unrun) = (excess(history.ran), excess(history.unrun));
    let kept_since = retention.days.map(|days| now - DAY * days);
    let mut gone = Vec::new();
    for interval in &history.oldest {
        let excess = if interval.did_run { &mut ran } else { &mut unrun };
        let is_too_many = *excess > 0;
        *excess = excess.saturating_sub(1);
        let is_too_old = kept_since.is_some_and(|since| interval.finished_at < since);
        if (is_too_many || is_too_old) && !interval.is_needed {
            gone.push(interval.id);
        }
    }
    gone
}

/// How many free pages of a file of so many are given back to the file system.
pub fn pages_to_give_back(free: u64, pages: u64) -> u64 {
    free.saturating_sub(pages / FREE_SHARE_KEPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_000 * 86_400_000);

    fn ended(did_run: bool, days_ago: u32) -> EndedInterval {
        EndedInterval { id: IntervalId::generate(), did_run, finished_at: NOW - DAY * days_ago, is_needed: false }
    }

    /// The places of those that go.
    fn gone(history: &History, intervals: Option<u32>, days: Option<u32>) -> Vec<usize> {
        let gone = beyond(history, Retention { intervals, days }, NOW);
        let place = |id| history.oldest.iter().position(|interval| interval.id == id).unwrap();
        gone.into_iter().map(place).collect()
    }

    fn history(oldest: Vec<EndedInterval>) -> History {
        let ran = oldest.iter().filter(|interval| interval.did_run).count() as u64;
        History { ran, unrun: oldest.len() as u64 - ran, oldest }
    }

    #[test]
    fn whatever_is_beyond_either_bound_goes() {
        let runs = history((0..5).rev().map(|days_ago| ended(true, days_ago)).collect());
        let none: [usize; 0] = [];
        for (intervals, days, expected) in [
            (None, None, &none[..]),
            (Some(5), None, &[]),
            (Some(3), None, &[0, 1]),
            (Some(0), None, &[0, 1, 2, 3, 4]),
            (None, Some(4), &[]),
            (None, Some(2), &[0, 1]),
            (Some(4), Some(2), &[0, 1]),
            (Some(1), Some(2), &[0, 1, 2, 3]),
        ] {
            assert_eq!(gone(&runs, intervals, days), expected, "{intervals:?} intervals, {days:?} days");
        }
    }

    #[test]
    fn firings_that_did_not_run_push_out_no_run() {
        let mixed = history([true, false, false, true, false, true, false].map(|did_run| ended(did_run, 1)).to_vec());
        assert_eq!(gone(&mixed, Some(3), None), [1]);
        assert_eq!(gone(&mixed, Some(2), None), [0, 1, 2]);
    }

    #[test]
    fn an_interval_that_an_open_one_refers_to_stays_and_counts() {
        let mut runs = history((0..4).map(|_| ended(true, 9)).collect());
        runs.oldest[1].is_needed = true;
        assert_eq!(gone(&runs, Some(2), None), [0]);
        assert_eq!(gone(&runs, None, Some(1)), [0, 2, 3]);
    }

    #[test]
    fn the_count_tells_of_what_is_newer_than_the_oldest_that_are_shown() {
        let part = History { ran: 1_000, unrun: 0, oldest: (0..4).map(|_| ended(true, 0)).collect() };
        assert_eq!(gone(&part, Some(998), None), [0, 1]);
    }

    #[test]
    fn a_job_goes_before_the_host_in_each_bound_by_itself() {
        let host = Retention { intervals: Some(10), days: Some(90) };
        let job = Retention { intervals: None, days: Some(7) };
        assert_eq!(job.or(host), Retention { intervals: Some(10), days: Some(7) });
    }

    #[test]
    fn free_pages_are_given_back_down_to_a_quarter_of_the_file() {
        assert_eq!([(0, 100), (25, 100), (60, 100)].map(|(free, pages)| pages_to_give_back(free, pages)), [0, 0, 35]);
    }
}
