//! Firings: each of the grid is accounted for, and once: promise 8.

use super::Oracle;
use super::rows::{IntervalRow, JobRow, Snapshot};
use std::collections::BTreeSet;

const PROMISE: &str = "promise 8";

/// When a job is due, counted by the oracle itself.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Grid {
    None,
    Once { at_ms: i64 },
    Every { anchor_ms: i64, period_ms: i64 },
}

impl Grid {
    /// The first firing after an instant.
    fn after(self, instant_ms: i64) -> Option<i64> {
        match self {
            Self::None => None,
            Self::Once { at_ms } => Some(at_ms).filter(|at_ms| *at_ms > instant_ms),
            Self::Every { anchor_ms, period_ms } => {
                Some(anchor_ms + ((instant_ms - anchor_ms).div_euclid(period_ms) + 1) * period_ms)
            }
        }
    }

    /// The firing that comes so many after another.
    fn later(self, firing_ms: i64, firings: i64) -> Option<i64> {
        match self {
            Self::None | Self::Once { .. } => None,
            Self::Every { period_ms, .. } => Some(firing_ms + firings * period_ms),
        }
    }
}

impl Oracle {
    pub(super) fn check_firings(&mut self, snapshot: &Snapshot) {
        for job in &snapshot.jobs {
            let mut firings: Vec<&IntervalRow> =
                snapshot.intervals.iter().filter(|row| row.job_id == job.id && row.origin == "schedule").collect();
            firings.sort_by_key(|row| row.scheduled_at);
            self.check_firings_of(job, &firings);
        }
    }

    fn check_firings_of(&mut self, job: &JobRow, firings: &[&IntervalRow]) {
        let Some(seen) = self.jobs.get(&job.id).cloned() else { return self.unknown("job", &job.id) };
        let mut due = seen.grid.after(seen.created_at);
        for row in firings {
            if due != Some(row.scheduled_at) {
                let text = format!("job {} was due at {due:?} and has a firing of {}", seen.number, row.scheduled_at);
                return self.blame(PROMISE, text);
            }
            due = seen.grid.later(row.scheduled_at, stands_for(row));
        }
        if !job.is_deleted && job.next_scheduled_at != due {
            let text = format!("job {} is due at {due:?} and shows {:?}", seen.number, job.next_scheduled_at);
            self.blame(PROMISE, text);
        }
    }

    /// Jobs whose firings were due long ago, at the end of a run in which hosts worked.
    pub(super) fn check_punctuality(&mut self, now_ms: i64) {
        let jobs = self.rows.snapshot(&BTreeSet::new()).jobs;
        for job in jobs.into_iter().filter(|job| !job.is_deleted) {
            if job.next_scheduled_at.is_some_and(|due| due < now_ms - LATE_MS) {
                self.blame(PROMISE, format!("job {} was due at {:?}, it is {now_ms}", job.id, job.next_scheduled_at));
            }
        }
    }
}

/// A scheduler that nobody wakes looks each 10 s, and clocks differ.
const LATE_MS: i64 = 15_000;

/// How many firings a row accounts for: its reason says so where they are many.
fn stands_for(row: &IntervalRow) -> i64 {
    let is_record = matches!(row.state.as_str(), "coalesced" | "missed" | "skipped");
    let number = row.reason.as_deref().and_then(|reason| reason.split(' ').next()).and_then(|word| word.parse().ok());
    number.filter(|_| is_record).unwrap_or(1)
}
