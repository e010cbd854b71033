//! Jobs as they come.

use crate::dice::Dice;
use crate::oracle::{Grid, JobSeen};
use latchwork::domain::cron::{CronSchedule, DstRules};
use latchwork::domain::ids::JobId;
use latchwork::domain::job::{DEFAULT_WORKSPACE, Grants, Job, JobSpec, Policy, WorkSpec};
use latchwork::domain::retry::RetryPolicy;
use latchwork::domain::rules::JobRules;
use latchwork::domain::schedule::{Period, Schedule};
use latchwork::domain::timestamp::Timestamp;
use std::time::Duration;

/// The plugin of every job.
pub(crate) const PLUGIN: &str = "worker";

/// Draws a job, and what the oracle is told of it.
pub(crate) fn drawn(dice: &mut Dice, number: usize, now: Timestamp) -> (Job, JobSeen) {
    let (schedule, grid) = schedule(dice, now);
    let policy = policy(dice);
    let tasks = tasks(dice);
    let spec = JobSpec {
        name: format!("j{number}"),
        workspace_id: DEFAULT_WORKSPACE.to_owned(),
        plugin: PLUGIN.to_owned(),
        schedule,
        after: None,
        rules: JobRules::default(),
        enable_recovery: dice.chance(850),
        work: WorkSpec { payload: "null".to_owned(), tasks, policy, grants: Grants::default() },
    };
    let seen = JobSeen {
        number,
        grid,
        created_at: now.ms(),
        max_parallel: policy.max_parallel,
        max_attempts: policy.retry.max_attempts,
    };
    (Job::new(JobId::generate(), spec, now), seen)
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
            let (expression, minutes) = dice.one_of(&[("@hourly", 60), ("0 0 * * *", 24 * 60)]);
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
        ..Policy::default()
    }
}

fn tasks(dice: &mut Dice) -> Option<u32> {
    let most = dice.weighted(&[(1, 0), (3, 1), (8, 8), (4, 40), (3, 200)]);
    dice.chance(950).then(|| u32::try_from(dice.within(0..=most)).expect("few"))
}
