//! When a job fires.

use super::cron::CronSchedule;
use super::timestamp::Timestamp;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

/// The shortest period.
pub const PERIOD_MIN: Duration = Duration::from_secs(1);

/// How many firings of a cron expression are counted one by one; beyond, their number is "more than" this.
pub const COUNTED_MAX: u64 = 10_000;

/// A span between firings, at least [`PERIOD_MIN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period(Duration);

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
    #[error(
        "`{expression}` is not a cron expression ({reason}): write minute, hour, day, month and weekday, as in \
         `30 2 * * 1-5`, with seconds before them where you need these, or a name such as @daily"
    )]
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

/// How many firings there are in a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// So many.
    pub number: u64,
    /// And more, which were not counted.
    pub has_more: bool,
}

impl Display for Count {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self { number, has_more } = self;
        if *has_more { write!(out, "more than {number}") } else { number.fmt(out) }
    }
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

impl Schedule {
    /// The first firing after an instant; none where there is none.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every { period, anchor } => {
                Some(nth(*period, *anchor, passed(*period, *anchor, after).saturating_add(1)))
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
                Some(nth(*period, *anchor, passed + 1))
            }
            other => other.next_after(Timestamp::from_ms(from.ms() - 1)),
        }
    }

    /// The last firing after an instant and not after another; its cost depends on how far apart firings are, not on
    /// how many there are.
    pub fn latest_within(&self, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        if let Self::Every { period, anchor } = self {
            let latest = nth(*period, *anchor, passed(*period, *anchor, until));
            return Some(latest).filter(|latest| *latest > after && *latest > *anchor);
        }
        let next_until = |after| self.next_after(after).filter(|next| *next <= until);
        let mut found = next_until(after)?;
        // Looks back twice as far each time until there is one, then halves what lies between it and the end.
        let (mut look_back, mut none_after) = (Duration::from_secs(1), until);
        while until - look_back > found {
            match next_until(until - look_back) {
                Some(later) => {
                    found = later;
                    break;
                }
                None => none_after = until - look_back,
            }
            look_back *= 2;
        }
        while let Some(following) = next_until(found) {
            let middle = Timestamp::from_ms(following.ms() + (none_after.ms() - following.ms()).max(0) / 2);
            match next_until(middle) {
                Some(later) => found = later,
                None => (found, none_after) = (following, middle),
            }
        }
        Some(found)
    }

    /// How many firings there are after an instant and not after another.
    pub fn count_within(&self, after: Timestamp, until: Timestamp) -> Count {
        if let Self::Every { period, anchor } = self {
            let number = passed(*period, *anchor, until) - passed(*period, *anchor, after);
            return Count { number: number.try_into().unwrap_or(0), has_more: false };
        }
        let firings = std::iter::successors(self.next_after(after), |at| self.next_after(*at));
        let counted = firings.take_while(|at| *at <= until).take(COUNTED_MAX as usize + 1).count() as u64;
        Count { number: counted.min(COUNTED_MAX), has_more: counted > COUNTED_MAX }
    }
}

/// How many firings of a grid are not after an instant.
fn passed(period: Period, anchor: Timestamp, until: Timestamp) -> i64 {
    until.ms().saturating_sub(anchor.ms()).div_euclid(period.ms()).max(0)
}

fn nth(period: Period, anchor: Timestamp, number: i64) -> Timestamp {
    Timestamp::from_ms(anchor.ms().saturating_add(number.saturating_mul(period.ms())))
}

#[cfg(test)]
mod tests {
    use super::super::cron::DstRules;
    use super::*;
    use proptest::prelude::*;

    fn every(seconds: u64) -> Schedule {
        let period = Period::new(Duration::from_secs(seconds)).unwrap();
        Schedule::Every { period, anchor: Timestamp::from_ms(500) }
    }

    fn cron(expression: &str, zone: &str) -> Schedule {
        Schedule::Cron(CronSchedule::new(expression, zone, DstRules::default()).unwrap())
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
    fn the_longest_period_never_comes_round() {
        let period = Period::new(Duration::MAX).unwrap();
        let schedule = Schedule::Every { period, anchor: Timestamp::from_ms(1_000_000) };
        assert_eq!(schedule.next_after(Timestamp::from_ms(2_000_000)), Some(Timestamp::from_ms(i64::MAX)));
    }

    #[test]
    fn one_instant_fires_once_and_manual_never() {
        let once = Schedule::Once { at: Timestamp::from_ms(50) };
        assert_eq!(once.next_after(Timestamp::from_ms(49)), Some(Timestamp::from_ms(50)));
        assert_eq!(once.next_after(Timestamp::from_ms(50)), None);
        assert_eq!(once.latest_within(Timestamp::from_ms(0), Timestamp::from_ms(90)), Some(Timestamp::from_ms(50)));
        assert_eq!(Schedule::Manual.next_after(Timestamp::from_ms(0)), None);
    }

    #[test]
    fn a_month_of_seconds_is_counted_in_one_step() {
        let (start, end) = (Timestamp::from_ms(500), Timestamp::from_ms(500 + 30 * 86_400 * 1_000));
        assert_eq!(every(1).count_within(start, end), Count { number: 2_592_000, has_more: false });
        assert_eq!(every(1).latest_within(start, end), Some(end));
    }

    #[test]
    fn a_month_of_cron_is_counted_up_to_a_bound_and_its_latest_firing_found_all_the_same() {
        let (start, end) = (at("2026-01-01T00:00:00Z"), at("2026-01-31T00:00:30Z"));
        let minutely = cron("* * * * *", "Europe/Berlin");
        assert_eq!(minutely.count_within(start, end).to_string(), "more than 10000");
        assert_eq!(minutely.latest_within(start, end), Some(at("2026-01-31T00:00:00Z")));
        assert_eq!(cron("@daily", "UTC").count_within(start, end).to_string(), "30");
        assert_eq!(cron("0 0 1 1 *", "UTC").latest_within(at("1990-05-05T00:00:00Z"), end), Some(start));
    }

    #[test]
    fn cron_follows_the_wall_clock_of_its_zone() {
        let berlin = cron("30 2 * * *", "Europe/Berlin");
        assert_eq!(berlin.next_after(at("2026-07-01T00:00:00Z")), Some(at("2026-07-01T00:30:00Z")));
        assert_eq!(berlin.next_after(at("2026-12-01T00:00:00Z")), Some(at("2026-12-01T01:30:00Z")));
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(Period::new(Duration::from_millis(10)), Err(ScheduleError::PeriodTooShort));
        let message =
            |expression, zone| CronSchedule::new(expression, zone, DstRules::default()).unwrap_err().to_string();
        assert!(message("every day", "UTC").starts_with("`every day` is not a cron expression (Pattern must have"));
        let out_of_bounds = message("61 * * * *", "UTC");
        assert!(out_of_bounds.contains("(Number out of bounds): write minute, hour, day"), "{out_of_bounds}");
        assert!(message("", "UTC").contains("(it is empty)"));
        assert!(message("@daily", "Mars/Base").starts_with("`Mars/Base` is not a time zone"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

        #[test]
        fn next_latest_and_count_agree_with_walking_from_firing_to_firing(
            schedule in prop::sample::select(vec![
                every(1), every(7), every(3_600),
                Schedule::Once { at: at("2026-10-25T00:30:00Z") },
                cron("*/10 * * * * *", "UTC"), cron("*/7 * * * *", "Europe/Berlin"), cron("30 2 * * *", "Europe/Berlin"),
                cron("0 */3 * * *", "Australia/Lord_Howe"), cron("59 23 29 2 *", "UTC"), cron("0 0 30 2 *", "UTC"),
                Schedule::Manual,
            ]),
            start in at("2026-10-23T00:00:00Z").ms()..at("2026-10-26T00:00:00Z").ms(),
            span in 0i64..9_000_000,
        ) {
            let (after, until) = (Timestamp::from_ms(start), Timestamp::from_ms(start + span));
            let walk = std::iter::successors(schedule.next_after(after), |at| schedule.next_after(*at));
            let walked: Vec<_> = walk.take_while(|at| *at <= until).collect();
            prop_assert!(walked.iter().all(|at| *at > after) && walked.is_sorted_by(|one, next| one < next));
            prop_assert_eq!(schedule.latest_within(after, until), walked.last().copied());
            let count = Count { number: walked.len() as u64, has_more: false };
            prop_assert_eq!(schedule.count_within(after, until), count);
        }
    }
}
