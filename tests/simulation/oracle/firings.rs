//! Firings: each of the grid is accounted for, and once: promise 8.

use super::rows::{IntervalRow, JobRow, Snapshot};
use super::{All, Oracle};
use std::collections::{BTreeMap, BTreeSet};

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

    /// How many firings there are from one to another.
    fn count(self, first_ms: i64, last_ms: i64) -> i64 {
        match self {
            Self::None => 0,
            Self::Once { .. } => 1,
            Self::Every { period_ms, .. } => (last_ms - first_ms) / period_ms + 1,
        }
    }
}

impl Oracle {
    pub(super) fn check_firings(&mut self, snapshot: &Snapshot, all: &All) {
        let mut fired: BTreeMap<&str, Vec<&IntervalRow>> = BTreeMap::new();
        let new = std::mem::take(&mut self.new);
        for row in new.iter().map(|number| &all[number].row).filter(|row| row.origin == "schedule") {
            fired.entry(&row.job_id).or_default().push(row);
        }
        for job in &snapshot.jobs {
            let mut firings = fired.remove(job.id.as_str()).unwrap_or_default();
            firings.sort_by_key(|row| row.scheduled_at);
            self.check_firings_of(job, &firings);
        }
    }

    fn check_firings_of(&mut self, job: &JobRow, firings: &[&IntervalRow]) {
        let Some(seen) = self.jobs.get(&job.id).cloned() else { return self.unknown("job", &job.id) };
        let mut due = self.accounts.get(&job.id).copied().unwrap_or_else(|| seen.grid.after(seen.created_at));
        for row in firings {
            if due != Some(row.scheduled_at) {
                let text = format!("job {} was due at {due:?} and has a firing of {}", seen.number, row.scheduled_at);
                return self.blame(PROMISE, text);
            }
            let Range { first_ms, last_ms, count } = Range::of(row);
            if first_ms != row.scheduled_at || !count.is_none_or(|count| count.is(seen.grid.count(first_ms, last_ms))) {
                let text = format!("job {}, {}: from {first_ms} to {last_ms} {count:?}", seen.number, row.scheduled_at);
                self.blame(PROMISE, text);
            }
            due = seen.grid.after(last_ms);
        }
        self.accounts.insert(job.id.clone(), due);
        if !job.is_deleted
            && !job.is_paused
            && seen.pause_after_failures.is_some_and(|most| job.failures_in_a_row >= most)
        {
            self.blame("pausing", format!("job {} goes on after {} failures", seen.number, job.failures_in_a_row));
        }
        if !job.is_deleted && job.next_scheduled_at != due {
            let text = format!("job {} is due at {due:?} and shows {:?}", seen.number, job.next_scheduled_at);
            self.blame(PROMISE, text);
        }
    }

    /// A backfill fires each instant of its range once at most.
    pub(super) fn check_backfills(&mut self, all: &All) {
        let mut fired = BTreeSet::new();
        for row in all.values().map(|seen| &seen.row).filter(|row| row.origin == "backfill") {
            let Some(backfill) = row.backfill_id.as_deref() else { return self.unknown("backfill", "none") };
            let range = self.backfills.get(backfill).cloned().unwrap_or_default();
            let grid = self.jobs.get(&row.job_id).map_or(Grid::None, |job| job.grid);
            let is_due = grid.after(row.scheduled_at - 1) == Some(row.scheduled_at);
            if !fired.insert((backfill, row.scheduled_at)) || !is_due || !range.contains(&row.scheduled_at) {
                let text = format!("backfill {backfill} of {range:?} fires {} (due: {is_due})", row.scheduled_at);
                self.blame("backfills", text);
            }
        }
    }

    /// Jobs whose firings were due long ago, at the end of a run in which hosts worked.
    pub(super) fn check_punctuality(&mut self, now_ms: i64) {
        let jobs = self.rows.snapshot(&BTreeSet::new()).jobs;
        for job in jobs.into_iter().filter(|job| !job.is_deleted && !job.is_paused) {
            if job.next_scheduled_at.is_some_and(|due| due < now_ms - LATE_MS) {
                self.blame(PROMISE, format!("job {} was due at {:?}, it is {now_ms}", job.id, job.next_scheduled_at));
            }
        }
    }
}

/// A scheduler that nobody wakes looks each 10 s, and clocks differ.
const LATE_MS: i64 = 15_000;

/// The firings that a row accounts for.
#[derive(Debug)]
struct Range {
    first_ms: i64,
    last_ms: i64,
    /// How many they are where its reason says so.
    count: Option<Counted>,
}

#[derive(Debug, Clone, Copy)]
enum Counted {
    Exactly(i64),
    MoreThan(i64),
}

impl Counted {
    fn is(self, count: i64) -> bool {
        match self {
            Self::Exactly(number) => count == number,
            Self::MoreThan(number) => count > number,
        }
    }
}

impl Range {
    fn of(row: &IntervalRow) -> Self {
        let one = Self { first_ms: row.scheduled_at, last_ms: row.scheduled_at, count: None };
        let is_record = matches!(row.state.as_str(), "coalesced" | "missed" | "skipped");
        row.reason.as_deref().filter(|_| is_record).and_then(Self::read).unwrap_or(one)
    }

    /// Reads what the reason of a record of many firings begins with.
    fn read(reason: &str) -> Option<Self> {
        let (count, span) = reason.split_once(" firings from ")?;
        let count = match count.strip_prefix("more than ") {
            Some(number) => Counted::MoreThan(number.parse().ok()?),
            None => Counted::Exactly(count.parse().ok()?),
        };
        let (first, rest) = span.split_once(" to ")?;
        let last = rest.split([' ', ',']).next()?;
        let ms = |text| chrono::DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp_millis());
        Some(Self { first_ms: ms(first)?, last_ms: ms(last)?, count: Some(count) })
    }
}
