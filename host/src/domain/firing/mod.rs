//! From a job whose time has come to what is done about it: which firings run, which wait, which are only recorded,
//! and why. Every firing that was due is accounted for exactly once.

mod catch_up;
mod due;
mod jitter;
mod overrun;
#[cfg(test)]
mod tests;

pub use jitter::next_after;
pub use overrun::ends_within_period;

use super::human_duration;
use super::ids::{IntervalId, JobId};
use super::interval::{Firing, IntervalState, Origin};
use super::job::NextFiring;
use super::rules::{CatchUp, JobRules, Overlap};
use super::schedule::{Count, Schedule};
use super::timestamp::Timestamp;
use catch_up::{CaughtUp, catch_up};
use due::Due;
use std::time::Duration;

/// How late a firing may be found and still be on time: hosts restart, and machines are busy.
pub const ON_TIME: Duration = Duration::from_mins(1);

/// All that a decision about a due job needs.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The job.
    pub job: JobId,
    /// When it fires.
    pub schedule: &'a Schedule,
    /// What its author says about its firings.
    pub rules: &'a JobRules,
    /// Its next firing, as it is kept.
    pub next: NextFiring,
    /// Its open intervals that are not of a backfill, the oldest first.
    pub open: &'a [StillOpen],
    /// The time.
    pub now: Timestamp,
}

/// An interval that has work left when its job is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StillOpen {
    /// Which.
    pub id: IntervalId,
    /// When it was due.
    pub scheduled_at: Timestamp,
    /// When its plan was recorded or, before that, when it was fired.
    pub began_at: Timestamp,
    /// Whether the job's schedule fired it.
    pub is_scheduled: bool,
    /// Whether it waits for another one's end.
    pub is_queued: bool,
}

/// What a due job leads to.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// New intervals, the oldest firing first.
    pub runs: Vec<Run>,
    /// Firings that do not run.
    pub unrun: Vec<UnrunFiring>,
    /// Open intervals that end, the youngest first.
    pub cancels: Vec<Cancellation>,
    /// What whoever looks at the job should know; none where there is nothing new.
    pub warning: Option<String>,
    /// The job's next firing.
    pub next: Option<NextFiring>,
}

/// A firing that becomes an interval.
#[derive(Debug, Clone)]
pub struct Run {
    /// What fired.
    pub firing: Firing,
    /// What it waits for; none where it begins at once.
    pub waits: Option<String>,
}

/// Firings that do not run, kept as one record so that they are not lost.
#[derive(Debug, Clone)]
pub struct UnrunFiring {
    /// The record's identity.
    pub id: IntervalId,
    /// Skipped, coalesced or missed.
    pub state: IntervalState,
    /// Why, and how many.
    pub reason: String,
    /// When the first of them was due.
    pub scheduled_at: Timestamp,
    /// When the last of them was.
    pub last_at: Timestamp,
    /// How many they are.
    pub count: Count,
    /// When that was decided.
    pub decided_at: Timestamp,
}

/// An open interval that makes way.
#[derive(Debug, Clone)]
pub struct Cancellation {
    /// Which.
    pub interval: IntervalId,
    /// Why.
    pub reason: String,
}

/// Decides about a job; none where it is not due. `new_id` gives the identities of new intervals and records.
///
/// The work is bounded however long no host has looked: firings that run are at most as many as the rules let, all
/// others of one fate are one record.
pub fn decide(situation: &Situation<'_>, new_id: impl FnMut() -> IntervalId) -> Option<Verdict> {
    let due = Due::of(situation)?;
    let CaughtUp { kept, unrun } = catch_up(situation, &due);
    let verdict = Verdict { next: due.next, warning: overrun::warning(situation), ..Verdict::default() };
    let mut decision = Decision { situation, new_id, verdict };
    if let Some(passed) = unrun {
        decision.record(passed);
    }
    decision.place(&kept);
    Some(decision.verdict)
}

/// Firings that share a fate.
struct Passed {
    state: IntervalState,
    reason: String,
    first_at: Timestamp,
    last_at: Timestamp,
    count: Count,
}

struct Decision<'a, F> {
    situation: &'a Situation<'a>,
    new_id: F,
    verdict: Verdict,
}

impl<F: FnMut() -> IntervalId> Decision<'_, F> {
    /// Finds a place for the firings that may run, beside, behind or instead of what is open.
    fn place(&mut self, kept: &[Timestamp]) {
        match (self.situation.rules.overlap, kept) {
            (_, []) => {}
            (Overlap::Allow, kept) => {
                for at in kept {
                    self.run(*at, None);
                }
            }
            (Overlap::CancelRunning, [earlier @ .., last]) => self.run_instead(earlier, *last),
            (Overlap::Skip, kept) => self.run_in_turn(kept, None),
            (Overlap::Queue { max }, kept) => self.run_in_turn(kept, Some(max)),
        }
    }

    /// Runs one and ends all that is open.
    fn run_instead(&mut self, earlier: &[Timestamp], last: Timestamp) {
        let reason = format!("the firing of {last} runs in its place (overlap is cancel_running)");
        for open in self.situation.open.iter().rev() {
            self.verdict.cancels.push(Cancellation { interval: open.id, reason: reason.clone() });
        }
        self.record_all(earlier, IntervalState::Coalesced, |firings| {
            format!("{firings} would have been cancelled at once by the one of {last} (overlap is cancel_running)")
        });
        self.run(last, None);
    }

    /// Runs one where nothing is open, and lets others wait as far as there are places.
    fn run_in_turn(&mut self, kept: &[Timestamp], queue_max: Option<u32>) {
        let open = self.situation.open;
        let (queued, running): (Vec<&StillOpen>, Vec<&StillOpen>) = open.iter().partition(|open| open.is_queued);
        let (ahead, kept) = match (running.first().or(queued.first()), kept) {
            (Some(open), kept) => (open.id, kept),
            (None, [first, others @ ..]) => (self.run(*first, None), others),
            (None, []) => return,
        };
        let places = self.places(kept, queue_max);
        let (waiting, beyond) = kept.split_at(places.saturating_sub(queued.len()).min(kept.len()));
        for (before, at) in (queued.len()..).zip(waiting) {
            let behind = if before == 0 { String::new() } else { format!(" and the {before} queued before it") };
            self.run(*at, Some(format!("waits for interval {ahead}{behind}")));
        }
        self.record_all(beyond, IntervalState::Skipped, |firings| match places {
            0 => format!(
                "{firings} found interval {ahead} of the job still open \
                 (overlap is skip; with queue it waits, with allow it runs beside it)"
            ),
            places => format!(
                "{firings} found interval {ahead} of the job still open and all {places} places behind it taken \
                 (a larger queue_max, or catch_up_max for firings that are made up for, lets more wait)"
            ),
        });
    }

    /// How many may wait. Firings that are made up for wait for each other even where a firing on time would be
    /// skipped: that is what `catch_up` all asks for.
    fn places(&self, kept: &[Timestamp], queue_max: Option<u32>) -> usize {
        let ordinary = queue_max.unwrap_or(0);
        let CatchUp::All { max, .. } = self.situation.rules.catch_up else { return ordinary as usize };
        let is_late = kept.last().is_some_and(|last| self.situation.lateness(*last) > ON_TIME);
        let is_made_up = self.verdict.runs.len() + kept.len() > 1 || is_late;
        if is_made_up { ordinary.max(max) as usize } else { ordinary as usize }
    }

    fn run(&mut self, scheduled_at: Timestamp, waits: Option<String>) -> IntervalId {
        let (interval, Situation { job, now, .. }) = ((self.new_id)(), *self.situation);
        let firing = Firing { interval, job, origin: Origin::Schedule, scheduled_at, fired_at: now };
        self.verdict.runs.push(Run { firing, waits });
        interval
    }

    fn record_all(&mut self, firings: &[Timestamp], state: IntervalState, reason: impl FnOnce(&str) -> String) {
        let (Some(&first_at), Some(&last_at)) = (firings.first(), firings.last()) else { return };
        let count = Count { number: firings.len() as u64, has_more: false };
        let reason = reason(&named(first_at, last_at, count));
        self.record(Passed { state, reason, first_at, last_at, count });
    }

    fn record(&mut self, passed: Passed) {
        let Passed { state, reason, first_at, last_at, count } = passed;
        let (id, decided_at) = ((self.new_id)(), self.situation.now);
        self.verdict.unrun.push(UnrunFiring { id, state, reason, scheduled_at: first_at, last_at, count, decided_at });
    }
}

impl Situation<'_> {
    /// When a firing of the job is to be fired.
    fn fire_at(&self, scheduled_at: Timestamp) -> Timestamp {
        if scheduled_at == self.next.scheduled_at {
            return self.next.fire_at;
        }
        jitter::fire_at(self.job, self.schedule, self.rules.jitter, scheduled_at)
    }

    /// How long ago a firing was to be fired.
    fn lateness(&self, scheduled_at: Timestamp) -> Duration {
        self.now.since(self.fire_at(scheduled_at))
    }
}

/// Firings as a reason names them.
fn named(first_at: Timestamp, last_at: Timestamp, count: Count) -> String {
    if first_at == last_at {
        return format!("the firing of {first_at}");
    }
    format!("{count} firings from {first_at} to {last_at}")
}

/// A span as a reason names it, to the second.
fn rounded(span: Duration) -> String {
    human_duration::format(Duration::from_secs(span.as_secs()))
}
