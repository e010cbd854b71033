//! A run of neighbouring indices: the unit of lease, of progress and of recovery.

use super::ids::IncarnationId;
use super::timestamp::Timestamp;

/// The most tasks a segment holds: three bitmaps of 512 bytes.
pub const TASKS_MAX: u32 = 4_096;

/// The fewest tasks a segment of a larger stage holds, so that rows stay few.
const TASKS_MIN: u32 = 64;

/// The fewest that a segment of a small stage holds, which is cut finer so that every host finds some of it.
const TASKS_FEWEST: u32 = 8;

/// Into how many segments a stage is cut as long as they do not get too small: enough for several hosts to share.
const PIECES: u32 = 64;

/// What whoever comes back soon for more takes at most, in tasks: that little is left to others of what is done so fast.
const HASTY_TASKS_MAX: u32 = 1_024;

/// How many tasks each segment of a stage holds, the last one perhaps fewer: so that there are twice as many segments as
/// `lanes`, should each run on a host of its own, but not for the price of a row for a handful of tasks.
pub fn length_for(tasks: u32, lanes: u32) -> u32 {
    let length = tasks.div_ceil(PIECES).clamp(TASKS_MIN, TASKS_MAX);
    match lanes.saturating_mul(2).min(PIECES) {
        0 => length,
        pieces => length.min(tasks.div_ceil(pieces).max(TASKS_FEWEST)),
    }
}

/// How many segments of so many tasks keep so many lanes busy for a while: two tasks for each, or `times` as many for
/// whoever came back soon for more.
pub fn count_for(lanes: u32, times: u32, length: u32) -> u32 {
    let least = lanes.saturating_mul(2);
    least.saturating_mul(times).min(HASTY_TASKS_MAX.max(least)).div_ceil(length)
}

/// Where a segment lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its place in the interval, from 0.
    pub number: u32,
    /// The stage that it belongs to, by its place in the plan.
    pub stage: u32,
    /// Its first task's index in the interval.
    pub first: u32,
    /// How many tasks it has.
    pub length: u32,
}

/// Who may work on a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentState {
    /// Its stage has not begun.
    Blocked,
    /// Anyone may claim it.
    Free,
    /// An incarnation works on it.
    Leased {
        /// The incarnation that every write must name.
        owner: IncarnationId,
    },
    /// What is left of it waits for a retry.
    Waiting {
        /// When the first retry is due.
        until: Timestamp,
    },
    /// Every task is done or failed.
    Done,
}

/// What can happen to a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentEvent {
    /// The stages that its stage waited for have succeeded.
    StageOpened,
    /// An incarnation takes it.
    Claimed {
        /// The incarnation.
        owner: IncarnationId,
    },
    /// Its last open task was done or failed.
    AllSettled,
    /// Only tasks that wait for a retry are left.
    RetriesPending {
        /// When the first is due.
        until: Timestamp,
    },
    /// Its owner gave it back or died.
    OwnerGone,
    /// What has not completed of it runs again.
    Reopened,
}

/// An event that cannot happen in this state: a fault of the program, or rows changed by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a segment that is {from:?} cannot take {event:?}")]
pub struct IllegalTransition {
    from: SegmentState,
    event: SegmentEvent,
}

impl SegmentState {
    /// Returns the state after `event`; the only way a segment changes state.
    pub fn next(self, event: SegmentEvent) -> Result<Self, IllegalTransition> {
        use SegmentEvent::{AllSettled, Claimed, OwnerGone, Reopened, RetriesPending, StageOpened};
        use SegmentState::{Blocked, Done, Free, Leased, Waiting};
        match (self, event) {
            (Blocked, StageOpened) | (Leased { .. }, OwnerGone) | (Done | Waiting { .. } | Free, Reopened) => Ok(Free),
            (Free | Waiting { .. }, Claimed { owner }) => Ok(Leased { owner }),
            (Leased { .. }, AllSettled) => Ok(Done),
            (Leased { .. }, RetriesPending { until }) => Ok(Waiting { until }),
            (from, event) => Err(IllegalTransition { from, event }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use SegmentEvent::{AllSettled, Claimed, OwnerGone, Reopened, RetriesPending, StageOpened};
    use SegmentState::{Blocked, Done, Free, Leased, Waiting};

    #[test]
    fn a_segment_moves_only_along_the_drawn_arrows() {
        let owner = IncarnationId::generate();
        let until = Timestamp::from_ms(7);
        let states = [Blocked, Free, Leased { owner }, Waiting { until }, Done];
        let events = [StageOpened, Claimed { owner }, AllSettled, RetriesPending { until }, OwnerGone, Reopened];
        let arrows = [
            (Blocked, StageOpened, Free),
            (Free, Claimed { owner }, Leased { owner }),
            (Waiting { until }, Claimed { owner }, Leased { owner }),
            (Leased { owner }, AllSettled, Done),
            (Leased { owner }, RetriesPending { until }, Waiting { until }),
            (Leased { owner }, OwnerGone, Free),
            (Done, Reopened, Free),
            (Waiting { until }, Reopened, Free),
            (Free, Reopened, Free),
        ];
        for from in states {
            for event in events {
                let drawn = arrows.iter().find(|arrow| arrow.0 == from && arrow.1 == event);
                assert_eq!(from.next(event).ok(), drawn.map(|arrow| arrow.2), "{from:?} {event:?}");
            }
        }
    }

    #[test]
    fn segments_are_small_for_small_stages_and_never_too_large() {
        for (tasks, lanes, length) in [
            (1, 8, 8),
            (10, 8, 8),
            (100, 8, 7 + 1),
            (200, 8, 13),
            (1_000, 8, 63),
            (5_000, 8, 79),
            (1_000, 256, 16),
            (1_000_000, 1, 4_096),
            (1_000_000, 1_024, 4_096),
            (192, 0, 64),
        ] {
            assert_eq!(length_for(tasks, lanes), length, "{tasks} tasks, {lanes} lanes");
        }
    }

    #[test]
    fn a_claim_leaves_something_for_other_hosts_unless_all_is_done_at_once() {
        let length = length_for(100, 8);
        let segments = 100u32.div_ceil(length);
        assert_eq!((segments, count_for(8, 1, length), count_for(2, 1, length)), (13, 2, 1));
        assert!(4 * count_for(8, 1, length) <= segments, "four hosts find some");
        assert_eq!(count_for(8, 4, length), 8);
        assert_eq!(count_for(8, 1_000, 4_096), 1, "who is fast takes no more of what is large");
        assert_eq!(count_for(1_024, 1, 8), 256);
    }
}
