//! Jobs as they come.

use crate::dice::Dice;
use crate::oracle::{FailuresAllowed, Grid, JobAwaited, JobSeen, WhenOpen};
use latchwork::domain::cron::{CronSchedule, DstRules};
use latchwork::domain::grants::Grants;
use latchwork::domain::ids::JobId;
use latchwork::domain::job::{DEFAULT_WORKSPACE, Job, JobSpec, MaxFailed, Policy, WorkSpec};
use latchwork::domain::labels::Labels;
use latchwork::domain::retry::RetryPolicy;
use latchwork::domain::rules::{After, AfterEnd, CatchUp, JobRules, OnUpgrade, Overlap, Retention};
use latchwork::domain::schedule::{Period, Schedule};
use latchwork::domain::timestamp::Timestamp;
use std::time::Duration;

/// The plugin of every job.
pub(crate) const PLUGIN: &str = "worker";

/// Draws a job, and what the oracle is told of it. `alive` are the jobs that it may wait for.
pub(crate) fn drawn(dice: &mut Dice, number: usize, alive: &[JobId], now: Timestamp) -> (Job, JobSeen) {
    let (schedule, grid) = schedule(dice, now);
    let policy = policy(dice);
    let tasks = tasks(dice);
    let rules = rules(dice);
    let after = after(dice, alive);
    let spec = JobSpec {
        name: format!("j{number}"),
        workspace_id: DEFAULT_WORKSPACE.to_owned(),
        plugin: PLUGIN.to_owned(),
        schedule,
        after,
        rules,
        enable_recovery: dice.chance(850),
        work: WorkSpec {
            payload: "null".to_owned(),
            tasks,
            policy,
            grants: Grants::default(),
            requires: Labels::default(),
        },
    };
    let seen = JobSeen {
        number,
        grid,
        created_at: now.ms(),
        max_parallel: policy.max_parallel,
        rate: policy.rate_limit,
        max_attempts: policy.retry.max_attempts,
        when_open: match rules.overlap {
            Overlap::Allow => WhenOpen::RunsBeside,
            Overlap::Skip | Overlap::Queue { .. } | Overlap::CancelRunning => WhenOpen::RunsAlone,
        },
        keeps: rules.retention.intervals.map(i64::from),
        keeps_days: rules.retention.days.is_some(),
        after: after.map(|after| JobAwaited {
            job: after.job.to_string(),
            on_success: after.end != AfterEnd::Failure,
            on_failure: after.end != AfterEnd::Success,
        }),
        pause_after_failures: rules.pause_after_failures.map(i64::from),
        interval_timeout_ms: policy.interval_timeout.map(|span| i64::try_from(span.as_millis()).expect("minutes")),
        failures_allowed: match policy.max_failed {
            None => FailuresAllowed::Any,
            Some(MaxFailed::Count(count)) => FailuresAllowed::Count(count.into()),
            Some(MaxFailed::Share(share)) => FailuresAllowed::Share(share),
        },
    };
    (Job::new(identity(dice, number), spec, now), seen)
}

/// An identity that follows from the seed, as a job's jitter follows from its identity.
fn identity(dice: &mut Dice, number: usize) -> JobId {
    let random = dice.within(0..=0xFFFF_FFFF);
    format!("{random:08x}-0000-7000-8000-{number:012x}").parse().expect("a sound identity")
}

fn schedule(dice: &mut Dice, now: Timestamp) -> (Schedule, Grid) {
    let cron = |expression| Schedule::Cron(CronSchedule::new(expression, "UTC", DstRules::default()).unwrap());
    let minutely = |minutes: i64| Grid::Every { anchor_ms: 0, period_ms: minutes * 60_000 };
    match dice.within(0..=9) {
        0..4 => (Schedule::Manual, Grid::None),
        4..8 => {
            let every = Duration::from_secs(dice.one_of(&[1, 2, 5, 30, 3_600]));
            let schedule = Schedule::Every { period: Period::new(every).unwrap(), anchor: now };
            (schedule, Grid::Every { anchor_ms: now.ms(), period_ms: i64::try_from(every.as_millis()).expect("hours") })
        }
        8 => {
            let (expression, minutes) =
                dice.one_of(&[("* * * * *", 1), ("*/5 * * * *", 5), ("@hourly", 60), ("0 0 * * *", 24 * 60)]);
            (cron(expression), minutely(minutes))
        }
        _ => {
            let at = now + Duration::from_millis(dice.within(1..=30_000));
            (Schedule::Once { at }, Grid::Once { at_ms: at.ms() })
        }
    }
}

fn policy(dice: &mut Dice) -> Policy {
    Policy {
        max_parallel: dice.one_of(&[1, 2, 3, 4, 8, 16]),
        timeout: Duration::from_secs(dice.within(1..=20)),
        retry: RetryPolicy {
            max_attempts: dice.one_of(&[1, 2, 3, 4]),
            backoff: Duration::from_millis(dice.within(1..=2_000)),
            factor: dice.one_of(&[1.0, 2.0]),
            max_backoff: Duration::from_secs(4),
            jitter: dice.chance(500),
        },
        interval_timeout: maybe(dice, 120).map(|dice| Duration::from_secs(dice.within(1..=60))),
        max_failed: maybe(dice, 150).map(|dice| {
            let share = dice.one_of(&[0.0, 0.1, 0.5]);
            dice.one_of(&[MaxFailed::Count(0), MaxFailed::Count(1), MaxFailed::Count(3), MaxFailed::Share(share)])
        }),
        rate_limit: maybe(dice, 120).map(|dice| dice.one_of(&[4.0, 50.0, 500.0])),
        priority: dice.one_of(&[0, 0, 0, -7, 7]),
        ..Policy::default()
    }
}

fn rules(dice: &mut Dice) -> JobRules {
    let seconds = |dice: &mut Dice, most| Duration::from_secs(dice.within(1..=most));
    let within = maybe(dice, 300).map(|dice| seconds(dice, 600));
    JobRules {
        overlap: dice.weighted(&[
            (5, Overlap::Skip),
            (1, Overlap::Queue { max: 1 }),
            (1, Overlap::Queue { max: 3 }),
            (1, Overlap::Allow),
            (1, Overlap::CancelRunning),
        ]),
        catch_up: dice.weighted(&[
            (3, CatchUp::Latest),
            (1, CatchUp::None),
            (1, CatchUp::All { max: 2, within }),
            (1, CatchUp::All { max: 8, within }),
        ]),
        jitter: maybe(dice, 250).map_or(Duration::ZERO, |dice| seconds(dice, 5)),
        start_deadline: maybe(dice, 200).map(|dice| seconds(dice, 120)),
        pause_after_failures: maybe(dice, 150).map(|dice| dice.one_of(&[1, 2, 4])),
        retention: Retention {
            intervals: maybe(dice, 200).map(|dice| dice.one_of(&[1, 2, 5])),
            days: maybe(dice, 100).map(|_| 1),
        },
        on_upgrade: dice.weighted(&[(3, OnUpgrade::Finish), (1, OnUpgrade::Restart)]),
    }
}

fn after(dice: &mut Dice, alive: &[JobId]) -> Option<After> {
    if alive.is_empty() || !dice.chance(250) {
        return None;
    }
    Some(After { job: dice.one_of(alive), end: dice.one_of(&[AfterEnd::Success, AfterEnd::Failure, AfterEnd::Any]) })
}

/// The dice again, so many times in a thousand.
fn maybe(dice: &mut Dice, per_mille: u32) -> Option<&mut Dice> {
    dice.chance(per_mille).then_some(dice)
}

fn tasks(dice: &mut Dice) -> Option<u32> {
    let most = dice.weighted(&[(1, 0), (3, 1), (8, 8), (4, 40), (3, 200)]);
    dice.chance(950).then(|| u32::try_from(dice.within(0..=most)).expect("few"))
}
