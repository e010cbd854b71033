//! From schedules to intervals, at instants that the tests choose.

use crate::world::{START, World, at, every, job_on};
use latchwork::domain::cron::{CronSchedule, DstRules};
use latchwork::domain::ids::JobId;
use latchwork::domain::interval::IntervalState::{self, Coalesced, Pending, Skipped};
use latchwork::domain::schedule::Schedule;
use latchwork::domain::timestamp::Timestamp;
use latchwork::engine::{Scheduler, Tick};
use latchwork::wakeup::Wakeup;
use std::sync::Arc;
use std::time::Duration;

fn scheduler(world: &World) -> Scheduler {
    Scheduler::new(Arc::clone(&world.store), true, Wakeup::default())
}

/// The job's firings from the oldest: what became of each, and when it was due.
async fn firings(world: &World, job: JobId) -> Vec<(IntervalState, Timestamp)> {
    let mut firings: Vec<_> =
        world.intervals_of(job, 99).await.unwrap().iter().map(|found| (found.state, found.scheduled_at)).collect();
    firings.sort_by_key(|(_, scheduled_at)| *scheduled_at);
    firings
}

/// Ends the job's open interval, so that the next firing finds none.
async fn end_open(world: &World, job: JobId) {
    if let Some(open) = world.job(job).await.unwrap().unwrap().current_interval {
        world.abandon(open.id, "it is over", None, START).await.unwrap();
    }
}

fn utc(text: &str) -> Timestamp {
    let Schedule::Cron(cron) = cron(text, "UTC") else { unreachable!("made from a cron expression") };
    Schedule::Cron(cron).next_after(START).expect("the expression has a time to come")
}

fn cron(expression: &str, timezone: &str) -> Schedule {
    Schedule::Cron(CronSchedule::new(expression, timezone, DstRules::default()).unwrap())
}

#[tokio::test]
async fn a_job_fires_at_its_time_and_not_before() {
    let world = World::new().await;
    let job = world.keep(job_on(every(10))).await;
    let scheduler = scheduler(&world);
    let due = at(10);
    assert_eq!(scheduler.tick(due - Duration::from_millis(1)).await.unwrap(), Some(due));
    assert_eq!(firings(&world, job).await, []);
    assert_eq!(scheduler.tick(due).await.unwrap(), Some(at(20)));
    assert_eq!(firings(&world, job).await, [(Pending, due)]);
}

#[tokio::test]
async fn a_host_that_is_late_does_not_shift_the_grid_and_the_lateness_is_kept() {
    let world = World::new().await;
    let job = world.keep(job_on(every(10))).await;
    let scheduler = scheduler(&world);
    for (found_at, due_at) in [(at(17), at(10)), (at(29), at(20)), (at(30), at(30))] {
        scheduler.tick(found_at).await.unwrap();
        let interval = &world.intervals_of(job, 1).await.unwrap()[0];
        assert_eq!((interval.scheduled_at, interval.fired_at), (due_at, found_at));
        end_open(&world, job).await;
    }
    assert_eq!(world.next_fire_at().await.unwrap(), Some(at(40)));
}

#[tokio::test]
async fn a_month_of_missed_seconds_is_one_record_and_one_run_of_the_latest() {
    let world = World::new().await;
    let job = world.keep(job_on(every(1))).await;
    let month = 30 * 86_400;
    let next = scheduler(&world).tick(at(month) + Duration::from_millis(500)).await.unwrap();
    assert_eq!(next, Some(at(month + 1)));
    let intervals = world.intervals_of(job, 99).await.unwrap();
    let [run, record] = intervals.iter().map(|found| found.state == Pending).collect::<Vec<_>>()[..] else {
        panic!("two rows, not {}", intervals.len())
    };
    assert!(run != record);
    assert_eq!(firings(&world, job).await, [(Coalesced, at(1)), (Pending, at(month))]);
    let coalesced = intervals.iter().find(|found| found.state == Coalesced).unwrap();
    let reason = coalesced.reason.as_deref().unwrap();
    assert!(reason.starts_with("2591999 firings from 2026-01-01T00:00:01.000Z to "), "{reason}");
}

#[tokio::test]
async fn a_firing_that_finds_an_open_interval_is_recorded_as_skipped_and_names_it() {
    let world = World::new().await;
    let job = world.keep(job_on(every(10))).await;
    let scheduler = scheduler(&world);
    scheduler.tick(at(10)).await.unwrap();
    scheduler.tick(at(20)).await.unwrap();
    assert_eq!(firings(&world, job).await, [(Pending, at(10)), (Skipped, at(20))]);
    let intervals = world.intervals_of(job, 9).await.unwrap();
    let open = intervals.iter().find(|found| found.state == Pending).unwrap().id;
    let skipped = intervals.iter().find(|found| found.state == Skipped).unwrap();
    let reason = skipped.reason.as_deref().unwrap();
    let wanted = format!("the firing of {} found interval {open} of the job still open (overlap is skip", at(20));
    assert!(reason.starts_with(&wanted), "{reason}");
    end_open(&world, job).await;
    scheduler.tick(at(30)).await.unwrap();
    assert_eq!(firings(&world, job).await[2], (Pending, at(30)), "the next firing runs again");
}

#[tokio::test]
async fn two_schedulers_on_one_store_fire_each_firing_once() {
    let world = World::new().await;
    let mut jobs = Vec::new();
    for _ in 0..20 {
        jobs.push(world.keep(job_on(every(10))).await);
    }
    let (first, second) = (scheduler(&world), scheduler(&world));
    for now in [at(10), at(20)] {
        let (one, other) = tokio::join!(first.tick(now), second.tick(now));
        one.unwrap();
        other.unwrap();
    }
    for job in jobs {
        assert_eq!(firings(&world, job).await, [(Pending, at(10)), (Skipped, at(20))]);
    }
}

#[tokio::test]
async fn a_fired_interval_wakes_the_executor_and_is_tracked_only_where_recovery_is_on() {
    let world = World::new().await;
    let mut without = job_on(every(10));
    without.spec.enable_recovery = false;
    let (with, without) = (world.keep(job_on(every(10))).await, world.keep(without).await);
    let executor = Wakeup::default();
    Scheduler::new(Arc::clone(&world.store), true, executor.clone()).tick(at(10)).await.unwrap();
    executor.nudged().await;
    let is_tracked = async |job| {
        let open = world.intervals_of(job, 1).await.unwrap()[0].id;
        world.open_interval(open).await.unwrap().unwrap().is_tracked
    };
    assert!(is_tracked(with).await);
    assert!(!is_tracked(without).await);
    end_open(&world, with).await;
    Scheduler::new(Arc::clone(&world.store), false, executor).tick(at(20)).await.unwrap();
    assert!(!is_tracked(with).await, "recovery is off for the whole host");
}

#[tokio::test]
async fn a_cron_job_fires_by_the_wall_clock_of_its_zone_in_winter_and_in_summer() {
    let world = World::new().await;
    let job = world.keep(job_on(cron("30 2 * * *", "Europe/Berlin"))).await;
    let scheduler = scheduler(&world);
    let winter = utc("30 1 1 1 *");
    assert_eq!(scheduler.tick(winter - Duration::from_millis(1)).await.unwrap(), Some(winter));
    assert_eq!(firings(&world, job).await, []);
    scheduler.tick(winter).await.unwrap();
    assert_eq!(firings(&world, job).await, [(Pending, winter)]);
    end_open(&world, job).await;
    let summer = utc("30 0 1 7 *");
    scheduler.tick(summer).await.unwrap();
    assert_eq!(firings(&world, job).await.last(), Some(&(Pending, summer)));
    assert_eq!(world.next_fire_at().await.unwrap(), Some(summer + Duration::from_hours(24)));
}

#[tokio::test]
async fn the_hour_that_the_clocks_repeat_fires_a_daily_job_once() {
    let world = World::new().await;
    let job = world.keep(job_on(cron("30 2 * * *", "Europe/Berlin"))).await;
    let scheduler = scheduler(&world);
    // On 2026-10-25 the clocks of Berlin show 02:30 at 00:30 and at 01:30 UTC.
    let eve = utc("0 12 24 10 *");
    scheduler.tick(eve).await.unwrap();
    end_open(&world, job).await;
    for minutes in (0..=24 * 60).step_by(10) {
        scheduler.tick(eve + Duration::from_mins(minutes)).await.unwrap();
        end_open(&world, job).await;
    }
    let night: Vec<_> = firings(&world, job).await.into_iter().filter(|(_, due_at)| *due_at > eve).collect();
    assert_eq!(night, [(IntervalState::Abandoned, utc("30 0 25 10 *"))]);
}

#[tokio::test]
async fn a_manual_job_never_fires_by_itself() {
    let world = World::new().await;
    let job = world.keep(job_on(Schedule::Manual)).await;
    assert_eq!(scheduler(&world).tick(at(10_000_000)).await.unwrap(), None);
    assert_eq!(firings(&world, job).await, []);
}
