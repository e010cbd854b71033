//! When a job fires.

use super::timestamp::Timestamp;
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The shortest period.
pub const PERIOD_MIN: Duration = Duration::from_secs(1);

/// How many passed firings of a cron expression are counted; beyond, their number is "at least" this.
const COUNTED_MAX: usize = 1_000;

/// A span between firings, at least [`PERIOD_MIN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period(Duration);

/// A cron expression with its time zone.
#[derive(Debug, Clone)]
pub struct CronSchedule {
    text: String,
    cron: Box<Cron>,
    timezone: Tz,
    dst: DstRules,
}

/// What a cron expression means where the clocks of its zone are changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DstRules {
    /// For times that the clocks leave out.
    pub gap: DstGap,
    /// For times that the clocks show twice.
    pub fold: DstFold,
}

/// What becomes of a firing at a time that the clocks leave out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DstGap {
    /// There is none that day.
    Skip,
    /// It is due when the clocks go on.
    #[default]
    Shift,
}

/// How often a firing is due at a time that the clocks show twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DstFold {
    /// The first time.
    #[default]
    Once,
    /// Both times.
    Twice,
}

/// When a job fires.
#[derive(Debug, Clone)]
pub enum Schedule {
    /// At `anchor` plus every multiple of the period: a late host does not shift the grid.
    Every {
        /// The span between firings.
        period: Period,
        /// Where the grid begins; not a firing itself.
        anchor: Timestamp,
    },
    /// Where the wall clock of a time zone matches.
    Cron(CronSchedule),
    /// At one instant.
    Once {
        /// Which.
        at: Timestamp,
    },
    /// Never by itself.
    Manual,
}

/// A schedule that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// A period that is too short.
    #[error("a period is at least 1s")]
    PeriodTooShort,
    /// An expression that is not cron.
    #[error("`{expression}` is not a cron expression: {reason}")]
    Cron {
        /// The text.
        expression: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A name that is no time zone.
    #[error("`{0}` is not a time zone: write an IANA name such as Europe/Berlin or UTC")]
    TimeZone(String),
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The firing that runs: the latest that is due.
    pub run_at: Timestamp,
    /// Earlier ones in whose place it runs.
    pub coalesced: Option<Coalesced>,
    /// The next firing.
    pub next_at: Option<Timestamp>,
}

/// Firings that passed while no host looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coalesced {
    /// The first of them.
    pub first_at: Timestamp,
    /// How many.
    pub count: u64,
}

impl Period {
    /// Checks a span.
    pub fn new(every: Duration) -> Result<Self, ScheduleError> {
        if every < PERIOD_MIN { Err(ScheduleError::PeriodTooShort) } else { Ok(Self(every)) }
    }

    /// The span between firings.
    pub fn every(self) -> Duration {
        self.0
    }

    fn ms(self) -> i64 {
        i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX)
    }
}

impl CronSchedule {
    /// Reads five or six fields (seconds first) or a nickname such as `@daily`, and an IANA time zone.
    pub fn new(expression: &str, timezone: &str, dst: DstRules) -> Result<Self, ScheduleError> {
        let parser = CronParser::builder().seconds(Seconds::Optional).build();
        let cron = parser
            .parse(expression)
            .map_err(|error| ScheduleError::Cron { expression: expression.to_owned(), reason: error.to_string() })?;
        let timezone = timezone.parse().map_err(|_| ScheduleError::TimeZone(timezone.to_owned()))?;
        Ok(Self { text: expression.to_owned(), cron: Box::new(cron), timezone, dst })
    }

    /// The expression as its author wrote it.
    pub fn expression(&self) -> &str {
        &self.text
    }

    /// The time zone's IANA name.
    pub fn timezone(&self) -> &'static str {
        self.timezone.name()
    }

    /// What it means where the clocks are changed.
    pub fn dst(&self) -> DstRules {
        self.dst
    }

    fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let after = after.to_utc().with_timezone(&self.timezone);
        self.cron.find_next_occurrence(&after, false).ok().map(|next| next.to_utc().into())
    }

    fn latest_until(&self, now: Timestamp) -> Option<Timestamp> {
        let now = now.to_utc().with_timezone(&self.timezone);
        self.cron.find_previous_occurrence(&now, true).ok().map(|latest| latest.to_utc().into())
    }
}

impl Schedule {
    /// The first firing after an instant; none where there is none.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every { period, anchor } => {
                let passed = (after.ms() - anchor.ms()).div_euclid(period.ms()).max(0);
                Some(Timestamp::from_ms(anchor.ms() + (passed + 1) * period.ms()))
            }
            Self::Cron(cron) => cron.next_after(after),
            Self::Once { at } => Some(*at).filter(|at| *at > after),
            Self::Manual => None,
        }
    }

    /// The first firing at an instant or after it. A grid reaches back before its anchor, too: what a job would have
    /// fired then can be made up for.
    pub fn first_from(&self, from: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every { period, anchor } => {
                let passed = (from.ms() - 1 - anchor.ms()).div_euclid(period.ms());
                Some(Timestamp::from_ms(anchor.ms() + (passed + 1) * period.ms()))
            }
            other => other.next_after(Timestamp::from_ms(from.ms() - 1)),
        }
    }

    /// What is due at `now` for a job whose next firing was to be at `next_at`; none where nothing is.
    ///
    /// The work is bounded however long no host has looked.
    pub fn due(&self, next_at: Timestamp, now: Timestamp) -> Option<Due> {
        if next_at > now {
            return None;
        }
        let (run_at, passed) = match self {
            Self::Every { period, .. } => {
                let passed = (now.ms() - next_at.ms()) / period.ms();
                (Timestamp::from_ms(next_at.ms() + passed * period.ms()), u64::try_from(passed).unwrap_or(0))
            }
            Self::Cron(cron) => {
                let run_at = cron.latest_until(now).filter(|latest| *latest > next_at).unwrap_or(next_at);
                let earlier = std::iter::successors(Some(next_at), |at| cron.next_after(*at));
                (run_at, earlier.take_while(|at| *at < run_at).take(COUNTED_MAX).count() as u64)
            }
            Self::Once { at } => (*at, 0),
            Self::Manual => return None,
        };
        let coalesced = (passed > 0).then_some(Coalesced { first_at: next_at, count: passed });
        Some(Due { run_at, coalesced, next_at: self.next_after(now) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every(seconds: u64) -> Schedule {
        let period = Period::new(Duration::from_secs(seconds)).unwrap();
        Schedule::Every { period, anchor: Timestamp::from_ms(500) }
    }

    fn at(text: &str) -> Timestamp {
        chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc().into()
    }

    #[test]
    fn a_grid_counts_from_its_anchor() {
        let schedule = every(10);
        for (after, next) in [(0, 10_500), (500, 10_500), (10_499, 10_500), (10_500, 20_500), (99_000, 100_500)] {
            assert_eq!(schedule.next_after(Timestamp::from_ms(after)), Some(Timestamp::from_ms(next)), "{after}");
        }
    }

    #[test]
    fn a_late_host_runs_the_latest_firing_and_counts_the_others() {
        let due = every(10).due(Timestamp::from_ms(10_500), Timestamp::from_ms(45_000)).unwrap();
        assert_eq!(due.run_at, Timestamp::from_ms(40_500));
        assert_eq!(due.coalesced, Some(Coalesced { first_at: Timestamp::from_ms(10_500), count: 3 }));
        assert_eq!(due.next_at, Some(Timestamp::from_ms(50_500)));
        assert_eq!(every(10).due(Timestamp::from_ms(50_500), Timestamp::from_ms(50_499)), None);
    }

    #[test]
    fn a_month_of_missed_seconds_is_one_step() {
        let month = 30 * 86_400;
        let due = every(1).due(Timestamp::from_ms(1_500), Timestamp::from_ms(1_500 + month * 1_000)).unwrap();
        assert_eq!(due.coalesced.unwrap().count, 2_592_000);
    }

    #[test]
    fn cron_follows_the_wall_clock_of_its_zone() {
        let berlin = Schedule::Cron(CronSchedule::new("30 2 * * *", "Europe/Berlin", DstRules::default()).unwrap());
        assert_eq!(berlin.next_after(at("2026-07-01T00:00:00Z")), Some(at("2026-07-01T00:30:00Z")));
        assert_eq!(berlin.next_after(at("2026-12-01T00:00:00Z")), Some(at("2026-12-01T01:30:00Z")));
        let daily = Schedule::Cron(CronSchedule::new("@daily", "UTC", DstRules::default()).unwrap());
        let due = daily.due(at("2026-12-01T00:00:00Z"), at("2026-12-04T05:00:00Z")).unwrap();
        assert_eq!((due.run_at, due.coalesced.unwrap().count), (at("2026-12-04T00:00:00Z"), 3));
        assert_eq!(due.next_at, Some(at("2026-12-05T00:00:00Z")));
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(Period::new(Duration::from_millis(10)), Err(ScheduleError::PeriodTooShort));
        let message =
            |expression, zone| CronSchedule::new(expression, zone, DstRules::default()).unwrap_err().to_string();
        assert!(message("every day", "UTC").starts_with("`every day` is not a cron expression"));
        assert!(message("@daily", "Mars/Base").starts_with("`Mars/Base` is not a time zone"));
    }
}
