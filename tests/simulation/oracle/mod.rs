//! Checks what the design promises. It knows the calls that the plugin saw and what its own queries find in the rows,
//! and nothing of the engine's code.

mod bits;
mod calls;
mod chains;
mod checkpoints;
mod crashes;
mod effects;
mod ending;
mod firings;
mod intervals;
mod keeping;
mod rates;
mod rows;
mod segments;
mod stale;

pub(crate) use calls::{Begun, CallEnd, CallStart};
pub(crate) use firings::Grid;

use crate::names::Names;
use calls::Call;
use checkpoints::Saved;
use crashes::Flights;
use intervals::IntervalSeen;
use latchwork::domain::ids::IntervalId;
use rows::{IntervalRow, Rows, Snapshot};
use segments::SegmentSeen;
use sqlx::sqlite::SqliteConnection;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use tokio::runtime::Handle;

pub(crate) struct Oracle {
    rows: Rows,
    names: Names,
    jobs: BTreeMap<String, JobSeen>,
    /// The ranges of backfills, in ms.
    backfills: BTreeMap<String, Range<i64>>,
    hosts: BTreeMap<usize, HostSeen>,
    calls: Vec<Call>,
    calls_of: BTreeMap<Task, Vec<usize>>,
    intervals: BTreeMap<usize, IntervalSeen>,
    /// The intervals that were opened again since the last look.
    reopened: BTreeSet<String>,
    /// The intervals that were first seen at the last look.
    new: Vec<usize>,
    /// When each job's next firing is due by what was fired.
    accounts: BTreeMap<String, Option<i64>>,
    /// The intervals that have ended since the last look, and the jobs that were there by then.
    ended_now: BTreeSet<usize>,
    known_followers: BTreeSet<String>,
    /// Jobs that were ever deleted, and intervals that were removed.
    deleted: BTreeSet<String>,
    removed: BTreeSet<usize>,
    segments: BTreeMap<(usize, i64), SegmentSeen>,
    flights: Flights,
    /// How many calls of tasks of each job there were.
    begun_of: BTreeMap<String, i64>,
    /// Whether the clocks were ever set back.
    has_gone_back: bool,
    checkpoints: BTreeMap<(usize, u32), Saved>,
    /// `MAX_RECOVERY_ATTEMPTS`.
    attempts_max: u32,
    /// `ENABLE_RECOVERY`.
    recovers: bool,
    /// The latest instant that any host has seen.
    latest_ms: i64,
    /// Whether so much time ever passed in one step that a living host may have been taken for dead.
    has_lost_time: bool,
    /// The state of the rows at the last look.
    version: Option<i64>,
    violations: Vec<String>,
}

/// In a step as long as this a living host may seem dead: a lease is 4 s, of which 1 s may have passed, and clocks differ by
/// nearly 1 s.
const LONG_MS: i64 = 2_000;

/// All intervals that were ever seen, as they were at their last look, by number.
type All = BTreeMap<usize, IntervalSeen>;

/// A task, or the plan, of an interval.
type Task = (usize, Option<u32>);

/// What the oracle is told of a job.
#[derive(Debug, Clone)]
pub(crate) struct JobSeen {
    pub(crate) number: usize,
    pub(crate) grid: Grid,
    pub(crate) created_at: i64,
    pub(crate) max_parallel: u32,
    /// How many of its tasks may begin each second.
    pub(crate) rate: Option<f64>,
    pub(crate) max_attempts: u32,
    pub(crate) when_open: WhenOpen,
    /// How many ended intervals are kept at least, and whether some go by their age.
    pub(crate) keeps: Option<i64>,
    pub(crate) keeps_days: bool,
    pub(crate) after: Option<JobAwaited>,
    pub(crate) pause_after_failures: Option<i64>,
    pub(crate) interval_timeout_ms: Option<i64>,
    pub(crate) failures_allowed: FailuresAllowed,
}

/// The job at whose ends another fires.
#[derive(Debug, Clone)]
pub(crate) struct JobAwaited {
    pub(crate) job: String,
    pub(crate) on_success: bool,
    pub(crate) on_failure: bool,
}

/// What a firing does that finds an interval of its job open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhenOpen {
    /// It runs beside the other.
    RunsBeside,
    /// It waits, does not run, or ends the other.
    RunsAlone,
}

/// How many tasks of an interval may fail.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FailuresAllowed {
    Any,
    Count(i64),
    /// Of all tasks.
    Share(f64),
}

impl FailuresAllowed {
    /// Whether so many failures of so many tasks end an interval.
    fn are_exceeded(self, failed: i64, total: i64) -> bool {
        match self {
            Self::Any => false,
            Self::Count(most) => failed > most,
            Self::Share(share) => failed > (total as f64 * share).floor() as i64,
        }
    }
}

/// What it knows of one start of a host.
struct HostSeen {
    incarnation: String,
    /// Whether its process is gone.
    is_dead: bool,
    /// Whether it has given back what it held.
    has_given_back: bool,
}

impl Oracle {
    pub(crate) fn new(connection: SqliteConnection, threads: Handle) -> Self {
        Self {
            rows: Rows::new(connection, threads),
            names: Names::default(),
            jobs: BTreeMap::new(),
            backfills: BTreeMap::new(),
            hosts: BTreeMap::new(),
            calls: Vec::new(),
            calls_of: BTreeMap::new(),
            intervals: BTreeMap::new(),
            reopened: BTreeSet::new(),
            new: Vec::new(),
            accounts: BTreeMap::new(),
            ended_now: BTreeSet::new(),
            known_followers: BTreeSet::new(),
            deleted: BTreeSet::new(),
            removed: BTreeSet::new(),
            segments: BTreeMap::new(),
            flights: Flights::default(),
            begun_of: BTreeMap::new(),
            has_gone_back: false,
            checkpoints: BTreeMap::new(),
            attempts_max: 0,
            recovers: true,
            latest_ms: 0,
            has_lost_time: false,
            version: None,
            violations: Vec::new(),
        }
    }

    /// Notes that a promise is broken.
    pub(crate) fn blame(&mut self, promise: &str, what: String) {
        let what = self.names.shorten(&what);
        self.violations.push(format!("{promise}: {what}"));
    }

    pub(crate) fn take_violations(&mut self) -> Vec<String> {
        std::mem::take(&mut self.violations)
    }

    pub(crate) fn shorten(&self, text: &str) -> String {
        self.names.shorten(text)
    }

    pub(crate) fn settings_are(&mut self, attempts_max: u32, recovers: bool) {
        self.attempts_max = attempts_max;
        self.recovers = recovers;
    }

    pub(crate) fn job_is_kept(&mut self, id: &str, job: JobSeen) {
        self.names.number('j', id);
        self.jobs.insert(id.to_owned(), job);
    }

    pub(crate) fn host_starts(&mut self, number: usize, incarnation: &str) {
        self.names.number('h', incarnation);
        let seen = HostSeen { incarnation: incarnation.to_owned(), is_dead: false, has_given_back: false };
        self.hosts.insert(number, seen);
    }

    pub(crate) fn host_is_gone(&mut self, number: usize) {
        if let Some(host) = self.hosts.get_mut(&number) {
            host.is_dead = true;
        }
    }

    /// The host has ended in order, so no crash is counted for what it held.
    pub(crate) fn host_gave_back(&mut self, number: usize) {
        if let Some(host) = self.hosts.get_mut(&number) {
            host.has_given_back = true;
        }
    }

    /// Notes that no host's clock shows a later time. Told before the hosts do anything at that time: what they write is
    /// looked at in the middle of a step, too.
    pub(crate) fn it_is_at_most(&mut self, latest_ms: i64) {
        self.has_lost_time |= self.latest_ms > 0 && latest_ms > self.latest_ms + LONG_MS;
        self.latest_ms = self.latest_ms.max(latest_ms);
    }

    /// Checks all that the rows say, where they have changed since the last look.
    pub(crate) fn look(&mut self) {
        let version = self.rows.version();
        if self.version.replace(version) != Some(version) {
            // What belongs to an interval is frozen when it has ended: it is checked then, and at the very end.
            let thawed = std::mem::take(&mut self.reopened);
            let is_frozen = |seen: &&IntervalSeen| !seen.row.is_open() && !thawed.contains(&seen.row.id);
            let frozen = self.intervals.values().filter(is_frozen).map(|seen| seen.row.id.as_str()).collect();
            let snapshot = self.rows.snapshot(&frozen);
            self.rows.ended_incarnations();
            self.check(snapshot, |oracle, row| {
                let is_open = |seen: &IntervalSeen| seen.row.is_open();
                thawed.contains(&row.id) || oracle.intervals.get(&row.number).is_none_or(is_open)
            });
        }
    }

    /// Whether nothing has changed since the last look.
    pub(crate) fn has_seen_all(&mut self) -> bool {
        self.version == Some(self.rows.version())
    }

    /// Takes the last change for one that was looked at.
    pub(crate) fn has_seen_that(&mut self) {
        self.version = Some(self.rows.version());
    }

    /// Checks all that the rows say, also of what has ended long ago.
    pub(crate) fn look_at_all(&mut self) {
        let snapshot = self.rows.snapshot(&BTreeSet::new());
        // What a job does not keep may be half removed.
        self.check(snapshot, |oracle, row| !oracle.may_be_removed(row));
    }

    fn check(&mut self, mut snapshot: Snapshot, is_live: impl Fn(&Self, &IntervalRow) -> bool) {
        for row in &mut snapshot.intervals {
            row.number = self.names.number('i', &row.id);
        }
        self.check_jobs(&snapshot);
        self.check_overlaps(&snapshot);
        let live: Vec<&IntervalRow> = snapshot.intervals.iter().filter(|row| is_live(self, row)).collect();
        self.check_segments(&snapshot, &live);
        self.check_rates(&snapshot);
        self.check_tasks(&snapshot);
        self.check_effects(&snapshot, &live);
        for row in &live {
            self.check_interval(&snapshot, row);
        }
        let all = std::mem::take(&mut self.intervals);
        self.check_removals(&snapshot, &all);
        self.check_firings(&snapshot, &all);
        self.check_backfills(&all);
        self.check_chains(&snapshot, &all);
        self.check_replacements(&all);
        self.intervals = all;
    }

    /// The intervals that were open at the last look.
    pub(crate) fn open_intervals(&self) -> Vec<usize> {
        self.intervals.iter().filter(|(_, seen)| seen.row.is_open()).map(|(number, _)| *number).collect()
    }

    /// The same as the engine knows them.
    pub(crate) fn open_ids(&self) -> Vec<IntervalId> {
        self.ids_of(|row| row.is_open())
    }

    /// The intervals that have ended with work left.
    pub(crate) fn ended_badly(&self) -> Vec<IntervalId> {
        self.ids_of(|row| matches!(row.state.as_str(), "failed" | "cancelled" | "abandoned"))
    }

    fn ids_of(&self, is_wanted: impl Fn(&IntervalRow) -> bool) -> Vec<IntervalId> {
        let rows = self.intervals.values().map(|seen| &seen.row).filter(|row| is_wanted(row));
        rows.map(|row| row.id.parse().expect("rows have sound ids")).collect()
    }

    pub(crate) fn is_reopened(&mut self, interval: IntervalId) {
        let id = interval.to_string();
        let number = self.names.number('i', &id);
        self.checkpoints.iter_mut().filter(|((of, _), _)| *of == number).for_each(|(_, saved)| saved.ends());
        self.reopened.insert(id);
    }

    pub(crate) fn backfill_is_kept(&mut self, id: &str, range: Range<i64>) {
        self.names.number('b', id);
        self.backfills.insert(id.to_owned(), range);
    }

    /// Whether an interval was over at the last look.
    fn has_ended(&self, interval: usize) -> bool {
        self.intervals.get(&interval).is_some_and(|seen| !seen.row.is_open())
    }

    /// Whether an incarnation can do nothing any more, or is not to.
    fn is_over(&mut self, incarnation: &str) -> bool {
        let is_dead = self.hosts.values().any(|host| host.incarnation == incarnation && host.is_dead);
        is_dead || self.rows.ended_incarnations().contains(incarnation)
    }

    fn incarnation(&self, host: usize) -> String {
        self.hosts[&host].incarnation.clone()
    }

    /// The rows of what is open, for whoever looks for the fault.
    pub(crate) fn open_work(&mut self) -> Vec<String> {
        let rows = self.rows.of_open_work();
        rows.iter().map(|row| self.names.shorten(row)).collect()
    }

    fn unknown(&mut self, what: &str, id: &str) {
        self.blame("rows name what exists", format!("{what} {id} is unknown"));
    }
}
