//! What becomes of the firings that pass while a job does not fire.

use super::job::{Job, NextFiring};
use super::timestamp::Timestamp;

/// Firings of a job that were due and have not been fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// The first of them.
    pub first_at: Timestamp,
    /// How many.
    pub count: u64,
}

/// How a paused job goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumption {
    /// Its next firing: the next one of its grid.
    pub next: Option<NextFiring>,
    /// When the first firing that passed was due, and what is kept of all that did; none where none has.
    pub skipped: Option<(Timestamp, String)>,
}

/// The firings that have passed; the work is bounded however many they are.
pub fn passed(job: &Job, now: Timestamp) -> Option<Passed> {
    let next = job.next.filter(|next| next.fire_at <= now)?;
    let due = job.spec.schedule.due(next.scheduled_at, now)?;
    let earlier = due.coalesced.map_or(0, |coalesced| coalesced.count);
    Some(Passed { first_at: next.scheduled_at, count: earlier + 1 })
}

/// Decides how a paused job goes on: nothing that passed is made up for, and nothing of it is lost.
pub fn resumption(job: &Job, pause_reason: &str, now: Timestamp) -> Resumption {
    let Some(passed) = passed(job, now) else { return Resumption { next: job.next, skipped: None } };
    let reason = format!("{passed} passed while the job was paused: {pause_reason}");
    Resumption { next: job.next_firing(now), skipped: Some((passed.first_at, reason)) }
}

impl std::fmt::Display for Passed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.count {
            1 => write!(out, "1 firing, due at {},", self.first_at),
            count => write!(out, "{count} firings from {} on", self.first_at),
        }
    }
}
