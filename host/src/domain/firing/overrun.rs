//! Intervals that outlast the period of their job.

use super::{ON_TIME, Situation, rounded};
use crate::domain::human_duration;
use crate::domain::schedule::Schedule;
use crate::domain::timestamp::Timestamp;
use std::time::Duration;

/// Says so where an interval of the schedule is still open when the next one is due.
///
/// One that merely began late, because its host did, has not taken longer than its period.
pub(super) fn warning(situation: &Situation<'_>) -> Option<String> {
    let now = situation.now;
    situation.open.iter().filter(|open| open.is_scheduled && !open.is_queued).find_map(|open| {
        let period = period(situation.schedule, open.scheduled_at)?;
        let took = now.since(open.began_at);
        // Both its beginning and this look may have come some moments late.
        let is_over = took + ON_TIME.min(period / 2) >= period;
        is_over.then(|| {
            let (interval, period, took) = (open.id, human_duration::format(period), rounded(took));
            format!("interval {interval} outlasts its period of {period}: it was still open at {now}, after {took}")
        })
    })
}

/// Whether an interval that ended by itself took less than its period, so that a warning is over.
pub fn ends_within_period(
    schedule: &Schedule,
    scheduled_at: Timestamp,
    began_at: Timestamp,
    ended_at: Timestamp,
) -> bool {
    period(schedule, scheduled_at).is_some_and(|period| ended_at.since(began_at) < period)
}

/// The time from one firing to the next.
fn period(schedule: &Schedule, scheduled_at: Timestamp) -> Option<Duration> {
    Some(schedule.next_after(scheduled_at)?.since(scheduled_at))
}
