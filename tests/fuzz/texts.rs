//! What people write in fields: whatever it is, it is read or refused, and what was read is written so that it is read
//! again.

use crate::rounds::fuzz;
use crate::words;
use latchwork::domain::cron::{CronSchedule, DstFold, DstGap, DstRules};
use latchwork::domain::digest::Digest;
use latchwork::domain::host::Roles;
use latchwork::domain::host_pattern::HostPattern;
use latchwork::domain::human_duration;
use latchwork::domain::ids::JobId;
use latchwork::domain::labels::Labels;
use latchwork::domain::schedule::Schedule;
use latchwork::domain::timestamp::Timestamp;
use std::fmt::{Debug, Display};
use std::str::FromStr;
use std::time::Duration;

/// 3000-01-01T00:00:00Z: cron is asked for firings up to then.
const FAR: i64 = 32_503_680_000_000;

#[test]
fn cron_expressions_and_time_zones() {
    fuzz("cron", |dice| {
        let (expression, zone) = (dice.garbled(words::CRONS), *dice.pick(words::ZONES));
        let zone = if dice.once_in(8) { dice.garbled(&[zone]) } else { zone.to_owned() };
        let dst = DstRules {
            gap: *dice.pick(&[DstGap::Skip, DstGap::Shift]),
            fold: *dice.pick(&[DstFold::Once, DstFold::Twice]),
        };
        let Ok(cron) = CronSchedule::new(&expression, &zone, dst) else { return };
        let again = CronSchedule::new(cron.expression(), cron.timezone(), cron.dst()).unwrap();
        let mut at = Timestamp::from_ms((dice.number() % FAR as u64) as i64);
        let until = at + Duration::from_hours(24 * 366);
        let (schedule, again) = (Schedule::Cron(cron), Schedule::Cron(again));
        for _ in 0..4 {
            let next = schedule.next_after(at);
            assert_eq!(next, again.next_after(at), "{expression} {zone} after {at}");
            let Some(next) = next else { break };
            assert!(next > at, "{expression} {zone}: {next} is not after {at}");
            at = next;
        }
        let count = schedule.count_within(at, until);
        let latest = schedule.latest_within(at, until);
        assert_eq!(latest.is_some(), count.number > 0, "{expression} {zone} from {at} to {until}: {latest:?}, {count}");
    });
}

#[test]
fn durations() {
    fuzz("durations", |dice| {
        let text = dice.garbled(words::DURATIONS);
        let Ok(span) = human_duration::parse(&text) else { return };
        let written = human_duration::format(span);
        assert_eq!(human_duration::parse(&written), Ok(span), "{text:?} is written {written:?}");
    });
}

#[test]
fn host_patterns() {
    fuzz("host patterns", |dice| {
        let text = dice.garbled(words::HOSTS);
        let Some(pattern) = read_again::<HostPattern>(&text) else { return };
        assert!(pattern.covers(&pattern), "{text:?}");
        let other = dice.garbled(words::HOSTS);
        let matches = pattern.matches(&other);
        if let Ok(one) = other.parse::<HostPattern>()
            && !other.contains(['*', '['])
        {
            assert_eq!(pattern.covers(&one), pattern.matches(&one.to_string()), "{text:?} and {other:?}: {matches}");
        }
    });
}

#[test]
fn labels_roles_digests_and_ids() {
    fuzz("labels, roles, digests and ids", |dice| {
        if let Some(labels) = read_again::<Labels>(&dice.garbled(words::LABELS)) {
            assert!(labels.meet(&labels));
            let json = serde_json::to_string(&labels).unwrap();
            assert_eq!(serde_json::from_str::<Labels>(&json).unwrap(), labels);
        }
        let _ = read_again::<Roles>(&dice.garbled(words::ROLES));
        let _ = read_again::<Digest>(&dice.garbled(words::DIGESTS));
        let _ = read_again::<JobId>(&dice.garbled(words::IDS));
    });
}

/// What a text says, if anything; checks that it says the same once it has been written.
fn read_again<T: FromStr + Display + PartialEq + Debug>(text: &str) -> Option<T>
where
    T::Err: Debug + Display,
{
    match text.parse::<T>() {
        Ok(value) => {
            assert_eq!(value.to_string().parse::<T>().unwrap(), value, "{text:?}");
            Some(value)
        }
        Err(error) => {
            assert!(!error.to_string().is_empty(), "{text:?} is refused without a reason");
            None
        }
    }
}
