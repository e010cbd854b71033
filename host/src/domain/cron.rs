//! Cron expressions in a time zone, and what becomes of their firings where its clocks are changed.
//!
//! croner reads the expression and finds the times that match it on a wall clock that is never changed; which instants
//! those times are is decided here, by the job's rules. A time that the clocks leave out is in a *gap*, one that they
//! show twice in a *fold*.
//!
//! The rules are for expressions that name hours, such as `30 2 * * *`. One that takes every hour (`*/15 * * * *`,
//! `0 * * * *`) means "after so much time": as in the crons that people know, it goes on through a doubled hour and has
//! nothing to make up for after a lost one, whatever the rules say.

use super::schedule::ScheduleError;
use super::timestamp::Timestamp;
use chrono::{DateTime, MappedLocalTime, NaiveDateTime, TimeDelta, TimeZone as _, Timelike as _};
use chrono_tz::{GapInfo, Tz};
use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds};
use serde::{Deserialize, Serialize};

/// The resolution of cron.
const A_SECOND: TimeDelta = TimeDelta::seconds(1);

/// A cron expression with its time zone.
#[derive(Debug, Clone)]
pub struct CronSchedule {
    text: String,
    cron: Box<Cron>,
    timezone: Tz,
    dst: DstRules,
    takes_every_hour: bool,
}

/// What a cron expression that names hours means where the clocks of its zone are changed.
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
    /// It is due when the clocks go on; several of one gap are due as one.
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

/// What a wall clock time that matches the expression leads to.
enum Firings {
    /// One.
    At(DateTime<Tz>),
    /// One at each showing.
    Both(DateTime<Tz>, DateTime<Tz>),
    /// None: the clocks leave it out, and go on here.
    LeftOut(Option<NaiveDateTime>),
}

/// What croner finds wrong, without the names of its own parts.
fn reason(error: &CronError) -> String {
    let reason = match error {
        CronError::EmptyPattern => "it is empty",
        CronError::InvalidPattern(text) | CronError::IllegalCharacters(text) | CronError::ComponentError(text) => text,
        other => &other.to_string(),
    };
    reason.trim_end_matches('.').to_owned()
}

impl CronSchedule {
    /// Reads five fields, six with seconds first, seven with the year last, too, or a nickname such as `@daily`, and an
    /// IANA time zone.
    pub fn new(expression: &str, timezone: &str, dst: DstRules) -> Result<Self, ScheduleError> {
        let parser = CronParser::builder().seconds(Seconds::Optional).build();
        let cron = parser
            .parse(expression)
            .map_err(|error| ScheduleError::Cron { expression: expression.to_owned(), reason: reason(&error) })?;
        let timezone = timezone.parse().map_err(|_| ScheduleError::TimeZone(timezone.to_owned()))?;
        let takes_every_hour = (0..24).all(|hour| cron.pattern.hour_match(hour).unwrap_or(false));
        Ok(Self { text: expression.to_owned(), cron: Box::new(cron), timezone, dst, takes_every_hour })
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

    /// The first firing after an instant.
    pub(super) fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let mut from = self.local(after);
        if self.fires_in_both()
            && let MappedLocalTime::Ambiguous(first, second) = self.timezone.from_local_datetime(&from)
            && Timestamp::from(first.to_utc()) == after
        {
            let (length, end) = (second - first, self.fold_end(from, second - first));
            match self.next_match(from) {
                Some(next) if next < end => {
                    return Some(self.timezone.from_local_datetime(&next).earliest()?.to_utc().into());
                }
                // What the clocks show again matches again.
                _ => from = end - length - A_SECOND,
            }
        }
        loop {
            let next = self.next_match(from)?;
            let to_come = |at: DateTime<Tz>| Some(Timestamp::from(at.to_utc())).filter(|at| *at > after);
            let (firing, go_on_after) = match self.firings_of(next) {
                // One that has passed is in the second showing of a fold that fires at the first: go on behind it.
                Firings::At(at) => (to_come(at), self.fold_end_at(next).map_or(next, |end| end - A_SECOND)),
                Firings::Both(first, second) => (to_come(first).or_else(|| to_come(second)), next),
                Firings::LeftOut(until) => (None, until? - A_SECOND),
            };
            if firing.is_some() {
                return firing;
            }
            from = go_on_after;
        }
    }

    /// The wall clock time of an instant.
    pub(super) fn local(&self, at: Timestamp) -> NaiveDateTime {
        at.to_utc().with_timezone(&self.timezone).naive_local()
    }

    /// The first matching time after one, on a clock that is never changed.
    pub(super) fn next_match(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        self.cron.find_next_occurrence(&after, false).ok()
    }

    /// Whether each showing of a doubled time fires.
    pub(super) fn fires_in_both(&self) -> bool {
        self.takes_every_hour || self.dst.fold == DstFold::Twice
    }

    /// Whether a time that the clocks leave out fires after the gap.
    pub(super) fn shifts(&self) -> bool {
        !self.takes_every_hour && self.dst.gap == DstGap::Shift
    }

    /// The time zone.
    pub(super) fn zone(&self) -> Tz {
        self.timezone
    }

    fn firings_of(&self, local: NaiveDateTime) -> Firings {
        match self.timezone.from_local_datetime(&local) {
            MappedLocalTime::Single(at) => Firings::At(at),
            MappedLocalTime::Ambiguous(first, second) if self.fires_in_both() => Firings::Both(first, second),
            MappedLocalTime::Ambiguous(first, _) => Firings::At(first),
            MappedLocalTime::None => match GapInfo::new(&local, &self.timezone).and_then(|gap| gap.end) {
                Some(end) if self.shifts() => Firings::At(end),
                end => Firings::LeftOut(end.map(|end| end.naive_local())),
            },
        }
    }

    fn fold_end_at(&self, local: NaiveDateTime) -> Option<NaiveDateTime> {
        match self.timezone.from_local_datetime(&local) {
            MappedLocalTime::Ambiguous(first, second) => Some(self.fold_end(local, second - first)),
            _ => None,
        }
    }

    /// The first wall clock time behind the fold, so long, that a time is in.
    fn fold_end(&self, within: NaiveDateTime, length: TimeDelta) -> NaiveDateTime {
        let start = within.with_nanosecond(0).unwrap_or(within);
        let is_doubled = |seconds: i64| {
            let local = start + TimeDelta::seconds(seconds);
            matches!(self.timezone.from_local_datetime(&local), MappedLocalTime::Ambiguous(..))
        };
        // Everything before the end is doubled, and nothing from there to the fold's length ahead.
        let (mut doubled, mut single) = (0, length.num_seconds());
        while single - doubled > 1 {
            let middle = doubled + (single - doubled) / 2;
            if is_doubled(middle) { doubled = middle } else { single = middle }
        }
        start + TimeDelta::seconds(single)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DstFold::{Once, Twice};
    use DstGap::{Shift, Skip};
    use proptest::prelude::*;

    fn cron(expression: &str, zone: &str, gap: DstGap, fold: DstFold) -> CronSchedule {
        CronSchedule::new(expression, zone, DstRules { gap, fold }).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc().into()
    }

    fn firings(cron: &CronSchedule, from: Timestamp, until: Timestamp) -> Vec<Timestamp> {
        let first = cron.next_after(from);
        std::iter::successors(first, |at| cron.next_after(*at)).take_while(|at| *at < until).collect()
    }

    /// An expression, its zone, a day, and the times of that day under one rule and under the other.
    type Case = (&'static str, &'static str, &'static str, &'static [&'static str], &'static [&'static str]);

    /// The times of day, in UTC, at which an expression fires on a day.
    fn day(expression: &str, zone: &str, gap: DstGap, fold: DstFold, day: &str) -> Vec<String> {
        let start = at(&format!("{day}T00:00:00Z"));
        let end = start + std::time::Duration::from_hours(24);
        let firings = firings(&cron(expression, zone, gap, fold), Timestamp::from_ms(start.ms() - 1), end);
        firings.iter().map(|at| at.to_utc().format("%H:%M").to_string()).collect()
    }

    #[test]
    fn a_time_that_the_clocks_leave_out_is_skipped_or_shifted_to_the_end_of_the_gap() {
        // Where the clocks go on: Berlin 02:00 -> 03:00 at 01:00 UTC, New York 02:00 -> 03:00 at 07:00 UTC,
        // Lord Howe 02:00 -> 02:30 at 15:30 UTC of the day before.
        let cases: [Case; 9] = [
            ("30 2 * * *", "Europe/Berlin", "2026-03-29", &[], &["01:00"]),
            ("0 3 * * *", "Europe/Berlin", "2026-03-29", &["01:00"], &["01:00"]),
            ("0,30 2,3 * * *", "Europe/Berlin", "2026-03-29", &["01:00", "01:30"], &["01:00", "01:30"]),
            (
                "0 1-4 * * *",
                "Europe/Berlin",
                "2026-03-29",
                &["00:00", "01:00", "02:00", "23:00"],
                &["00:00", "01:00", "02:00", "23:00"],
            ),
            ("*/20 2 * * *", "Europe/Berlin", "2026-03-29", &[], &["01:00"]),
            ("30 2 * * *", "America/New_York", "2026-03-08", &[], &["07:00"]),
            ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03", &[], &["15:30"]),
            ("30 2 * * *", "Australia/Lord_Howe", "2026-10-03", &["15:30"], &["15:30"]),
            ("30 2 * * *", "Asia/Kolkata", "2026-03-29", &["21:00"], &["21:00"]),
        ];
        for (expression, zone, date, skipped, shifted) in cases {
            assert_eq!(day(expression, zone, Skip, Once, date), skipped, "{expression} in {zone}, skip");
            assert_eq!(day(expression, zone, Shift, Once, date), shifted, "{expression} in {zone}, shift");
        }
    }

    #[test]
    fn a_time_that_the_clocks_show_twice_fires_once_or_twice() {
        // Where the clocks go back: Berlin 03:00 -> 02:00 at 01:00 UTC, New York 02:00 -> 01:00 at 06:00 UTC,
        // Lord Howe 02:00 -> 01:30 at 15:00 UTC of the day before.
        let cases: [Case; 8] = [
            ("30 2 * * *", "Europe/Berlin", "2026-10-25", &["00:30"], &["00:30", "01:30"]),
            ("0 2 * * *", "Europe/Berlin", "2026-10-25", &["00:00"], &["00:00", "01:00"]),
            ("0 3 * * *", "Europe/Berlin", "2026-10-25", &["02:00"], &["02:00"]),
            (
                "*/30 2-3 * * *",
                "Europe/Berlin",
                "2026-10-25",
                &["00:00", "00:30", "02:00", "02:30"],
                &["00:00", "00:30", "01:00", "01:30", "02:00", "02:30"],
            ),
            ("30 1 * * *", "America/New_York", "2026-11-01", &["05:30"], &["05:30", "06:30"]),
            ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04", &["14:45"], &["14:45", "15:15"]),
            ("15 1 * * *", "Australia/Lord_Howe", "2026-04-04", &["14:15"], &["14:15"]),
            ("30 2 * * *", "UTC", "2026-10-25", &["02:30"], &["02:30"]),
        ];
        for (expression, zone, date, once, twice) in cases {
            assert_eq!(day(expression, zone, Shift, Once, date), once, "{expression} in {zone}, once");
            assert_eq!(day(expression, zone, Shift, Twice, date), twice, "{expression} in {zone}, twice");
        }
    }

    #[test]
    fn an_expression_that_takes_every_hour_goes_by_elapsed_time_whatever_the_rules() {
        for (gap, fold) in [(Skip, Once), (Skip, Twice), (Shift, Once), (Shift, Twice)] {
            for (date, zone) in
                [("2026-03-29", "Europe/Berlin"), ("2026-10-25", "Europe/Berlin"), ("2026-03-29", "UTC")]
            {
                assert_eq!(day("*/15 * * * *", zone, gap, fold, date).len(), 96, "{date} {zone}");
                assert_eq!(day("7 * * * *", zone, gap, fold, date).len(), 24, "{date} {zone}");
            }
            // The hours of Lord Howe's summer begin at half past, by UTC.
            let hourly = day("0 * * * *", "Australia/Lord_Howe", gap, fold, "2026-04-04");
            assert_eq!(hourly[13..17], ["13:00", "14:00", "15:30", "16:30"]);
        }
    }

    #[test]
    fn each_second_of_a_doubled_hour_is_found_at_once() {
        let cron = cron("* * 2 * * *", "Europe/Berlin", Skip, Once);
        assert_eq!(cron.next_after(at("2026-10-25T00:59:58Z")), Some(at("2026-10-25T00:59:59Z")));
        assert_eq!(cron.next_after(at("2026-10-25T00:59:59Z")), Some(at("2026-10-26T01:00:00Z")));
        assert_eq!(cron.next_after(at("2026-10-25T01:20:00.500Z")), Some(at("2026-10-26T01:00:00Z")));
        assert_eq!(cron.next_after(at("2026-03-28T01:59:59Z")), Some(at("2026-03-30T00:00:00Z")), "no 02:xx that day");
    }

    #[test]
    fn an_expression_without_a_time_has_no_firing() {
        assert_eq!(cron("0 0 30 2 *", "UTC", Shift, Once).next_after(at("2026-01-01T00:00:00Z")), None);
    }

    /// What fires in a span of time, by looking at every second of it.
    fn by_looking(cron: &CronSchedule, from: Timestamp, until: Timestamp) -> Vec<Timestamp> {
        let local = |second: i64| cron.local(Timestamp::from_ms(second * 1_000));
        let matches = |local: NaiveDateTime| cron.cron.is_time_matching(&local).unwrap();
        let mut found = Vec::new();
        for second in from.ms() / 1_000 + 1..(until.ms() + 999) / 1_000 {
            let now = local(second);
            // What the clocks have shown within a day before has fired before.
            let is_second_showing = matches!(
                cron.timezone.from_local_datetime(&now),
                MappedLocalTime::Ambiguous(first, _) if first.timestamp() != second
            );
            let fires = matches(now) && (cron.fires_in_both() || !is_second_showing);
            let left_out = (now - local(second - 1)).num_seconds() - 1;
            let makes_up = cron.shifts() && (1..=left_out).any(|back| matches(now - TimeDelta::seconds(back)));
            if fires || makes_up {
                found.push(Timestamp::from_ms(second * 1_000));
            }
        }
        found
    }

    fn zones() -> impl Strategy<Value = (&'static str, &'static str)> {
        // A zone, and an instant at which its clocks are changed; two zones never do.
        prop::sample::select(vec![
            ("Europe/Berlin", "2026-03-29T01:00:00Z"),
            ("Europe/Berlin", "2026-10-25T01:00:00Z"),
            ("America/New_York", "2026-03-08T07:00:00Z"),
            ("America/New_York", "2026-11-01T06:00:00Z"),
            ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
            ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
            ("Africa/Cairo", "2026-04-23T22:00:00Z"),
            ("America/Santiago", "2026-04-05T03:00:00Z"),
            ("UTC", "2026-03-29T01:00:00Z"),
            ("Asia/Kolkata", "2026-10-25T01:00:00Z"),
        ])
    }

    fn expressions() -> impl Strategy<Value = String> {
        let minute = prop::sample::select(vec!["0", "30", "*", "*/15", "0,45", "7-9", "59"]);
        let hour = prop::sample::select(vec!["*", "0", "1", "2", "3", "0-3", "*/2", "1,2,23", "*/1"]);
        let day = prop::sample::select(vec!["* * *", "* * *", "* * SUN", "29 * *", "25-31 3,10 *"]);
        (minute, hour, day).prop_map(|(minute, hour, day)| format!("{minute} {hour} {day}"))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 96, ..ProptestConfig::default() })]

        #[test]
        fn firings_are_those_that_looking_at_every_second_finds(
            (zone, change) in zones(),
            expression in expressions(),
            skips in any::<bool>(),
            is_twice in any::<bool>(),
            from_ms in -4 * 3_600_000i64..3_600_000,
        ) {
            let rules = (if skips { Skip } else { Shift }, if is_twice { Twice } else { Once });
            let cron = cron(&expression, zone, rules.0, rules.1);
            let from = Timestamp::from_ms(at(change).ms() + from_ms);
            let until = from + std::time::Duration::from_hours(5);
            prop_assert_eq!(firings(&cron, from, until), by_looking(&cron, from, until));
        }
    }
}
