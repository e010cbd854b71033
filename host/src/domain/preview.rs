//! What a schedule will do, so that a mistake is seen before it is saved.

use super::cron::CronSchedule;
use super::schedule::Schedule;
use super::timestamp::Timestamp;
use chrono::{DateTime, FixedOffset, MappedLocalTime, NaiveDateTime, TimeDelta, TimeZone as _};
use chrono_tz::GapInfo;
use std::fmt::{self, Display, Formatter};

const A_SECOND: TimeDelta = TimeDelta::seconds(1);

/// The next firings of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// The firings, the earliest first.
    pub firings: Vec<PreviewedFiring>,
    /// Where, between them, the clocks leave out times that would have fired.
    pub skipped: Vec<SkippedTimes>,
}

/// A firing that is to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewedFiring {
    /// When it is due.
    pub at: Timestamp,
    /// The same in the time zone of the schedule.
    pub local: DateTime<FixedOffset>,
    /// What a change of the clocks does to it.
    pub clock_change: Option<ClockChange>,
}

/// What a change of the clocks does to a firing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockChange {
    /// It stands for a time that the clocks leave out.
    Shifted {
        /// That time, the first of several.
        from: NaiveDateTime,
    },
    /// The clocks show its time twice, and it fires the first time only.
    FirstOnly,
    /// The clocks show its time twice: this is the first.
    FirstOfTwo,
    /// The clocks show its time twice: this is the second.
    SecondOfTwo,
}

/// Times that would have fired, had the clocks shown them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkippedTimes {
    /// The first of them, on the wall clock.
    pub first: NaiveDateTime,
    /// How many.
    pub count: u64,
    /// From where the clocks go on.
    pub gap_begin: NaiveDateTime,
    /// To where they go on.
    pub gap_end: NaiveDateTime,
}

impl ClockChange {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shifted { .. } => "shifted",
            Self::FirstOnly => "first_only",
            Self::FirstOfTwo => "first_of_two",
            Self::SecondOfTwo => "second_of_two",
        }
    }
}

impl Display for ClockChange {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shifted { from } => write!(out, "shifted from {}, which the clocks leave out", from.time()),
            Self::FirstOnly => out.write_str("the clocks show this time twice; it fires the first time only"),
            Self::FirstOfTwo => out.write_str("the clocks show this time twice; this is the first"),
            Self::SecondOfTwo => out.write_str("the clocks show this time twice; this is the second"),
        }
    }
}

impl Display for SkippedTimes {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self { first, count, gap_begin, gap_end } = self;
        let what = if *count == 1 { "1 firing is".to_owned() } else { format!("{count} firings are") };
        write!(out, "{what} skipped at {first}: the clocks go from {} to {}", gap_begin.time(), gap_end.time())
    }
}

impl Preview {
    /// The first `count` firings of a schedule after an instant.
    pub fn of(schedule: &Schedule, after: Timestamp, count: usize) -> Self {
        let mut preview = Self { firings: Vec::new(), skipped: Vec::new() };
        let mut before = after;
        while preview.firings.len() < count
            && let Some(at) = schedule.next_after(before)
        {
            let (local, clock_change) = match schedule {
                Schedule::Cron(cron) => {
                    preview.skipped.extend(cron.skipped_between(before, at));
                    (at.to_utc().with_timezone(&cron.zone()).fixed_offset(), cron.clock_change(at))
                }
                _ => (at.to_utc().fixed_offset(), None),
            };
            preview.firings.push(PreviewedFiring { at, local, clock_change });
            before = at;
        }
        preview
    }
}

impl CronSchedule {
    fn clock_change(&self, at: Timestamp) -> Option<ClockChange> {
        let local = self.local(at);
        match self.zone().from_local_datetime(&local) {
            MappedLocalTime::Ambiguous(..) if !self.fires_in_both() => Some(ClockChange::FirstOnly),
            MappedLocalTime::Ambiguous(first, _) if Timestamp::from(first.to_utc()) == at => {
                Some(ClockChange::FirstOfTwo)
            }
            MappedLocalTime::Ambiguous(..) => Some(ClockChange::SecondOfTwo),
            _ if self.shifts() => {
                let (begin, end) = self.gap_at(local - A_SECOND)?;
                let from = self.next_match(begin - A_SECOND).filter(|from| *from < end)?;
                Some(ClockChange::Shifted { from })
            }
            _ => None,
        }
    }

    /// The times between two firings that follow each other which would have fired, had the clocks shown them.
    fn skipped_between(&self, one: Timestamp, next: Timestamp) -> Vec<SkippedTimes> {
        let (mut from, until) = (self.local(one), self.local(next));
        let mut skipped = Vec::new();
        while !self.shifts()
            && let Some(first) = self.next_match(from).filter(|first| *first < until)
        {
            from = first;
            if let Some((gap_begin, gap_end)) = self.gap_at(first) {
                let times = std::iter::successors(Some(first), |time| self.next_match(*time));
                let count = times.take_while(|time| *time < gap_end).count() as u64;
                skipped.push(SkippedTimes { first, count, gap_begin, gap_end });
                from = gap_end - A_SECOND;
            }
        }
        skipped
    }

    /// The gap that a time is in, from the first time that is left out to the first that is not.
    fn gap_at(&self, local: NaiveDateTime) -> Option<(NaiveDateTime, NaiveDateTime)> {
        let gap = GapInfo::new(&local, &self.zone())?;
        Some((gap.begin?.0, gap.end?.naive_local()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::cron::{DstFold, DstGap, DstRules};
    use super::*;

    fn at(text: &str) -> Timestamp {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc().into()
    }

    /// Each firing's local time and what the clocks do to it, and the skipped times.
    fn preview(expression: &str, gap: DstGap, fold: DstFold, after: &str, count: usize) -> (Vec<String>, Vec<String>) {
        let cron = CronSchedule::new(expression, "Europe/Berlin", DstRules { gap, fold }).unwrap();
        let preview = Preview::of(&Schedule::Cron(cron), at(after), count);
        let firing = |firing: &PreviewedFiring| {
            let change = firing.clock_change.map(|change| format!(" {}", change.name()));
            format!("{}{}", firing.local.format("%d %H:%M%:z"), change.unwrap_or_default())
        };
        (preview.firings.iter().map(firing).collect(), preview.skipped.iter().map(SkippedTimes::to_string).collect())
    }

    #[test]
    fn a_preview_says_where_the_clocks_shift_or_skip() {
        let spring = "2026-03-27T12:00:00Z";
        let (firings, skipped) = preview("30 2 * * *", DstGap::Shift, DstFold::Once, spring, 3);
        assert_eq!(firings, ["28 02:30+01:00", "29 03:00+02:00 shifted", "30 02:30+02:00"]);
        assert!(skipped.is_empty());
        let (firings, skipped) = preview("30 2 * * *", DstGap::Skip, DstFold::Once, spring, 2);
        assert_eq!(firings, ["28 02:30+01:00", "30 02:30+02:00"]);
        assert_eq!(skipped, ["1 firing is skipped at 2026-03-29 02:30:00: the clocks go from 02:00:00 to 03:00:00"]);
        let (_, skipped) = preview("*/15 * * * *", DstGap::Shift, DstFold::Once, "2026-03-29T00:40:00Z", 9);
        assert_eq!(skipped, ["4 firings are skipped at 2026-03-29 02:00:00: the clocks go from 02:00:00 to 03:00:00"]);
    }

    #[test]
    fn a_preview_says_which_showing_of_a_doubled_time_it_is() {
        let autumn = "2026-10-24T12:00:00Z";
        let (firings, _) = preview("30 2 * * *", DstGap::Shift, DstFold::Once, autumn, 2);
        assert_eq!(firings, ["25 02:30+02:00 first_only", "26 02:30+01:00"]);
        let (firings, _) = preview("30 2 * * *", DstGap::Shift, DstFold::Twice, autumn, 3);
        assert_eq!(firings, ["25 02:30+02:00 first_of_two", "25 02:30+01:00 second_of_two", "26 02:30+01:00"]);
    }

    #[test]
    fn a_schedule_that_ends_is_listed_to_its_end() {
        let once = Schedule::Once { at: at("2030-01-31T12:00:00Z") };
        assert_eq!(Preview::of(&once, at("2026-01-01T00:00:00Z"), 10).firings.len(), 1);
        assert_eq!(Preview::of(&Schedule::Manual, at("2026-01-01T00:00:00Z"), 10).firings, []);
    }
}
