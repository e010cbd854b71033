//! A past range of a job's schedule that is run, or run again.

use super::ids::{BackfillId, JobId};
use super::interval::IntervalState;
use super::schedule::Schedule;
use super::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most instants that one backfill's range may hold.
pub const INSTANTS_MAX: usize = 100_000;

/// How many instants one step looks at.
pub const STEP_INSTANTS: usize = 1_000;

/// The priority of a backfill's intervals, below all that a job can have: they yield to whatever is live.
pub const PRIORITY: i32 = *super::job::PRIORITIES.start() - 1;

/// Which firings of the range are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackfillMode {
    /// All of them.
    All,
    /// Those whose latest interval failed or was abandoned.
    Failed,
    /// Those without an interval that succeeded or is open.
    Missing,
}

/// How far a backfill is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackfillState {
    /// There is something left of it.
    Running,
    /// All its intervals have ended.
    Finished,
    /// A person ended it.
    Cancelled,
}

/// A past range that is run again.
#[derive(Debug, Clone)]
pub struct Backfill {
    /// Its identity.
    pub id: BackfillId,
    /// Whose schedule it is.
    pub job: JobId,
    /// Which firings are run.
    pub mode: BackfillMode,
    /// How far it is.
    pub state: BackfillState,
    /// Where the range begins.
    pub from: Timestamp,
    /// Before which instant it ends.
    pub until: Timestamp,
    /// Firings before this instant are dealt with.
    pub next_at: Timestamp,
    /// How many of its intervals are open at a time at most.
    pub max_parallel: u32,
    /// How many firings it was to run when it was asked for.
    pub planned: u64,
    /// How many it has fired.
    pub fired: u64,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// A range that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// It holds no time.
    #[error("the range ends at {until}, not after it begins at {from}")]
    Empty {
        /// Its beginning.
        from: Timestamp,
        /// Its end.
        until: Timestamp,
    },
    /// What is to come is fired by the schedule.
    #[error("the range ends at {until}, which is still to come: end it at {now} or before")]
    Future {
        /// Its end.
        until: Timestamp,
        /// The present.
        now: Timestamp,
    },
    /// A job without a schedule has no past firings.
    #[error("a job of type manual has no schedule to run again; trigger it instead")]
    NoSchedule,
    /// It holds too many instants.
    #[error(
        "the range holds more than {INSTANTS_MAX} firings, the latest of these at {reached}: end it there and go on with a further backfill"
    )]
    TooMany {
        /// The last instant within the bound.
        reached: Timestamp,
    },
}

/// The instants of a schedule in `from..until`, none where the range is refused.
pub fn instants(
    schedule: &Schedule,
    from: Timestamp,
    until: Timestamp,
    now: Timestamp,
) -> Result<Vec<Timestamp>, RangeError> {
    if matches!(schedule, Schedule::Manual) {
        return Err(RangeError::NoSchedule);
    }
    if until <= from {
        return Err(RangeError::Empty { from, until });
    }
    if until > now {
        return Err(RangeError::Future { until, now });
    }
    let instants: Vec<_> = instants_between(schedule, from, until).take(INSTANTS_MAX + 1).collect();
    match instants.get(INSTANTS_MAX) {
        Some(_) => Err(RangeError::TooMany { reached: instants[INSTANTS_MAX - 1] }),
        None => Ok(instants),
    }
}

fn instants_between(schedule: &Schedule, from: Timestamp, until: Timestamp) -> impl Iterator<Item = Timestamp> {
    let first = schedule.first_from(from);
    std::iter::successors(first, |at| schedule.first_from(Timestamp::from_ms(at.ms() + 1)))
        .take_while(move |at| *at < until)
}

/// What became of each firing so far, the oldest interval first.
pub type History = BTreeMap<Timestamp, Vec<IntervalState>>;

/// Whether the firing with these intervals is run.
pub fn is_wanted(mode: BackfillMode, intervals: &[IntervalState]) -> bool {
    match mode {
        BackfillMode::All => true,
        BackfillMode::Failed => {
            matches!(intervals.last(), Some(IntervalState::Failed | IntervalState::Abandoned))
        }
        BackfillMode::Missing => !intervals.iter().any(|state| state.is_open() || *state == IntervalState::Succeeded),
    }
}

/// Those of the instants whose firing is run.
pub fn wanted(mode: BackfillMode, instants: &[Timestamp], history: &History) -> Vec<Timestamp> {
    let intervals = |at: &Timestamp| history.get(at).map_or(&[][..], Vec::as_slice);
    instants.iter().copied().filter(|at| is_wanted(mode, intervals(at))).collect()
}

/// The next instants that a backfill has to look at, at most [`STEP_INSTANTS`].
pub fn next_instants(backfill: &Backfill, schedule: &Schedule) -> Vec<Timestamp> {
    instants_between(schedule, backfill.next_at, backfill.until).take(STEP_INSTANTS).collect()
}

/// What a backfill does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The firings that are run now.
    pub fire: Vec<Timestamp>,
    /// Firings before this instant are dealt with then.
    pub next_at: Timestamp,
}

/// Decides which of `instants` are fired, as far as `free` intervals may begin.
pub fn step(backfill: &Backfill, instants: &[Timestamp], history: &History, free: usize) -> Step {
    let mut fire = wanted(backfill.mode, instants, history);
    let is_cut = fire.len() > free;
    let beyond = |at: &Timestamp| Timestamp::from_ms(at.ms() + 1);
    let next_at = if is_cut {
        fire[free]
    } else if instants.len() < STEP_INSTANTS {
        backfill.until
    } else {
        instants.last().map_or(backfill.until, beyond)
    };
    fire.truncate(free);
    Step { fire, next_at }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::schedule::Period;
    use IntervalState::{Abandoned, Coalesced, Failed, Running, Skipped, Succeeded};
    use std::time::Duration;

    const ANCHOR_MS: i64 = 1_000_500;

    fn every(seconds: u64) -> Schedule {
        let period = Period::new(Duration::from_secs(seconds)).unwrap();
        Schedule::Every { period, anchor: Timestamp::from_ms(ANCHOR_MS) }
    }

    fn ms(instants: &[i64]) -> Vec<Timestamp> {
        instants.iter().copied().map(Timestamp::from_ms).collect()
    }

    fn backfill(mode: BackfillMode, until_ms: i64) -> Backfill {
        let (from, until) = (Timestamp::from_ms(0), Timestamp::from_ms(until_ms));
        Backfill {
            id: BackfillId::generate(),
            job: JobId::generate(),
            mode,
            state: BackfillState::Running,
            from,
            until,
            next_at: from,
            max_parallel: 1,
            planned: 0,
            fired: 0,
            created_at: until,
            finished_at: None,
        }
    }

    #[test]
    fn a_range_holds_its_beginning_and_not_its_end_and_reaches_back_before_the_job() {
        let now = Timestamp::from_ms(i64::MAX);
        let between = |from, until| instants(&every(10), Timestamp::from_ms(from), Timestamp::from_ms(until), now);
        assert_eq!(between(980_500, 1_010_500), Ok(ms(&[980_500, 990_500, 1_000_500])));
        assert_eq!(between(980_501, 1_010_501), Ok(ms(&[990_500, 1_000_500, 1_010_500])));
    }

    #[test]
    fn a_range_without_bounds_or_sense_is_refused_with_the_mend() {
        let at = Timestamp::from_ms;
        let refusal =
            |schedule: &Schedule, from, until| instants(schedule, at(from), at(until), at(1 << 40)).unwrap_err();
        assert_eq!(refusal(&every(1), 5, 5), RangeError::Empty { from: at(5), until: at(5) });
        assert!(matches!(refusal(&every(1), 5, (1 << 40) + 1), RangeError::Future { .. }));
        assert_eq!(refusal(&Schedule::Manual, 5, 6), RangeError::NoSchedule);
        let RangeError::TooMany { reached } = refusal(&every(1), 500, 1 << 39) else { panic!("too many") };
        assert_eq!(reached, at(500 + 99_999 * 1_000));
        assert_eq!(instants(&every(1), at(500), at(500 + 100_000_000), at(1 << 40)).unwrap().len(), INSTANTS_MAX);
    }

    #[test]
    fn each_mode_wants_its_own_firings() {
        use BackfillMode::{All, Failed as FailedOnly, Missing};
        let wanted = |intervals: &[IntervalState]| [All, FailedOnly, Missing].map(|mode| is_wanted(mode, intervals));
        assert_eq!(wanted(&[]), [true, false, true]);
        assert_eq!(wanted(&[Succeeded]), [true, false, false]);
        assert_eq!(wanted(&[Failed]), [true, true, true]);
        assert_eq!(wanted(&[Failed, Succeeded]), [true, false, false]);
        assert_eq!(wanted(&[Abandoned, Failed]), [true, true, true]);
        assert_eq!(wanted(&[Failed, Running]), [true, false, false]);
        assert_eq!(wanted(&[Skipped]), [true, false, true]);
        assert_eq!(wanted(&[Coalesced]), [true, false, true]);
    }

    #[test]
    fn a_step_fires_no_more_than_may_begin_and_stays_where_it_stopped() {
        let instants = ms(&[10, 20, 30, 40]);
        let history = History::from([(Timestamp::from_ms(10), vec![Succeeded])]);
        let backfill = backfill(BackfillMode::Missing, 50);
        let of = |free| step(&backfill, &instants, &history, free);
        assert_eq!(of(0), Step { fire: vec![], next_at: Timestamp::from_ms(20) });
        assert_eq!(of(2), Step { fire: ms(&[20, 30]), next_at: Timestamp::from_ms(40) });
        assert_eq!(of(3), Step { fire: ms(&[20, 30, 40]), next_at: Timestamp::from_ms(50) });
    }
}
