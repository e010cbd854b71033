//! Which firings of a job are due.

use super::{Situation, jitter};
use crate::domain::job::NextFiring;
use crate::domain::schedule::Count;
use crate::domain::timestamp::Timestamp;
use std::time::Duration;

const A_MOMENT: Duration = Duration::from_millis(1);

/// The firings that are due, all of them from the first to the last, and the one after them.
pub(super) struct Due {
    /// The one that the job was waiting for.
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) next: Option<NextFiring>,
}

impl Due {
    pub(super) fn of(situation: &Situation<'_>) -> Option<Self> {
        let Situation { job, schedule, rules, next, now, .. } = *situation;
        if next.fire_at > now {
            return None;
        }
        let first = next.scheduled_at;
        let last = schedule.latest_within(first, now).unwrap_or(first);
        let fire_at = situation.fire_at(last);
        if fire_at > now {
            // Its jitter holds it back; no other's does, as jitter ends before the next firing.
            let next = Some(NextFiring { scheduled_at: last, fire_at });
            return Some(Self { first, last: situation.before(first, last), next });
        }
        Some(Self { first, last, next: jitter::next_after(job, schedule, rules.jitter, last) })
    }
}

impl Situation<'_> {
    /// The firing before another, where `first` is the earliest that counts.
    pub(super) fn before(&self, first: Timestamp, at: Timestamp) -> Timestamp {
        self.schedule.latest_within(first, at - A_MOMENT).unwrap_or(first)
    }

    /// How many firings there are from `first` to `last`.
    pub(super) fn count(&self, first: Timestamp, last: Timestamp) -> Count {
        let further = self.schedule.count_within(first, last);
        Count { number: further.number + 1, ..further }
    }
}
