//! What the rules of a job make of its firings, at instants that the tests choose.

use crate::world::{START, World, at, every, job_on, no_writes, tasks_only};
use latchwork::domain::ids::{IntervalId, JobId};
use latchwork::domain::interval::IntervalState::{self, Abandoned, Cancelled, Coalesced, Missed, Pending, Skipped};
use latchwork::domain::rules::{CatchUp, JobRules, Overlap};
use latchwork::domain::schedule::Schedule;
use latchwork::domain::timestamp::Timestamp;
use latchwork::engine::{Scheduler, Tick};
use latchwork::store::IntervalRecord;
use latchwork::wakeup::Wakeup;
use std::sync::Arc;
use std::time::Duration;

/// A store with one job, and a scheduler.
struct Scene {
    world: World,
    scheduler: Scheduler,
    job: JobId,
}

impl Scene {
    async fn new(schedule: Schedule, rules: JobRules) -> Self {
        let world = World::new().await;
        let mut job = job_on(schedule);
        job.spec.rules = rules;
        // Its next firing depends on its rules.
        let job = world.keep(latchwork::domain::job::Job::new(job.id, job.spec, START)).await;
        let scheduler = Scheduler::new(Arc::clone(&world.store), true, Wakeup::default());
        Self { world, scheduler, job }
    }

    async fn tick(&self, now: Timestamp) -> Option<Timestamp> {
        self.scheduler.tick(now).await.unwrap()
    }

    /// The job's firings, the earliest due first.
    async fn intervals(&self) -> Vec<IntervalRecord> {
        let mut intervals = self.world.intervals_of(self.job, 9_999).await.unwrap();
        intervals.sort_by_key(|interval| interval.scheduled_at);
        intervals
    }

    /// What became of each, and when it was due.
    async fn firings(&self) -> Vec<(IntervalState, Timestamp)> {
        self.intervals().await.iter().map(|interval| (interval.state, interval.scheduled_at)).collect()
    }

    async fn current(&self) -> Option<IntervalId> {
        self.world.job(self.job).await.unwrap().unwrap().current_interval.map(|current| current.id)
    }

    async fn end_current(&self, now: Timestamp) {
        let current = self.current().await.expect("one is open");
        self.world.abandon(current, "it is over", None, now).await.unwrap();
    }

    async fn warning(&self) -> Option<String> {
        self.world.job(self.job).await.unwrap().unwrap().warning
    }
}

fn overlap(overlap: Overlap) -> JobRules {
    JobRules { overlap, ..JobRules::default() }
}

fn catch_up(catch_up: CatchUp) -> JobRules {
    JobRules { catch_up, ..JobRules::default() }
}

#[tokio::test]
async fn a_firing_waits_behind_the_open_one_and_one_too_many_is_skipped() {
    let scene = Scene::new(every(10), overlap(Overlap::Queue { max: 1 })).await;
    for seconds in [10, 20, 30] {
        scene.tick(at(seconds)).await;
    }
    assert_eq!(scene.firings().await, [(Pending, at(10)), (Pending, at(20)), (Skipped, at(30))]);
    let [running, waiting, skipped] = &scene.intervals().await[..] else { panic!("three") };
    assert_eq!(waiting.reason, Some(format!("waits for interval {}", running.id)));
    assert!(skipped.reason.as_deref().unwrap().contains("larger queue_max"), "{skipped:?}");
    assert_eq!(scene.current().await, Some(running.id));
    scene.end_current(at(31)).await;
    assert_eq!(scene.current().await, Some(waiting.id));
    scene.tick(at(40)).await;
    assert_eq!(scene.firings().await[3], (Pending, at(40)), "there is a place again");
}

#[tokio::test]
async fn firings_that_may_overlap_run_beside_each_other() {
    let scene = Scene::new(every(10), overlap(Overlap::Allow)).await;
    for seconds in [10, 20, 30] {
        scene.tick(at(seconds)).await;
    }
    let owner = scene.world.host("a", at(30)).await;
    assert_eq!(scene.world.claim_pending(owner, at(30), 9).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_firing_that_cancels_ends_what_runs_and_what_waits() {
    let scene = Scene::new(every(10), overlap(Overlap::CancelRunning)).await;
    scene.tick(at(10)).await;
    scene.tick(at(20)).await;
    assert_eq!(scene.firings().await, [(Cancelled, at(10)), (Pending, at(20))]);
    let reason = scene.intervals().await[0].reason.clone().unwrap();
    assert_eq!(reason, format!("the firing of {} runs in its place (overlap is cancel_running)", at(20)));
}

#[tokio::test]
async fn after_an_hour_asleep_each_firing_runs_in_its_turn_within_the_bounds() {
    let bounds = CatchUp::All { max: 3, within: Some(Duration::from_mins(25)) };
    let scene = Scene::new(every(600), catch_up(bounds)).await;
    assert_eq!(scene.tick(at(3_601)).await, Some(at(4_200)), "the grid has not shifted");
    let wanted = [(Missed, at(600)), (Pending, at(2_400)), (Pending, at(3_000)), (Pending, at(3_600))];
    assert_eq!(scene.firings().await, wanted);
    let reason = scene.intervals().await[0].reason.clone().unwrap();
    assert!(reason.starts_with("3 firings from 2026-01-01T00:10:00.000Z to 2026-01-01T00:30:00.000Z"), "{reason}");
    let owner = scene.world.host("a", at(3_601)).await;
    for turn in [at(2_400), at(3_000), at(3_600)] {
        let claimed = scene.world.claim_pending(owner, at(3_602), 9).await.unwrap();
        let [interval] = claimed[..] else { panic!("one at a time, not {claimed:?}") };
        assert_eq!(scene.world.view(interval).await.scheduled_at, turn);
        scene.end_current(at(3_602)).await;
    }
}

#[tokio::test]
async fn without_catching_up_only_a_firing_that_is_found_in_time_runs() {
    let scene = Scene::new(every(600), catch_up(CatchUp::None)).await;
    scene.tick(at(1_800 + 61)).await;
    assert_eq!(scene.firings().await, [(Missed, at(600))], "one record for the three");
    assert!(scene.intervals().await[0].reason.as_deref().unwrap().starts_with("3 firings"));
    scene.tick(at(2_400 + 59)).await;
    assert_eq!(scene.firings().await[1], (Pending, at(2_400)));
}

#[tokio::test]
async fn a_month_asleep_under_a_short_period_is_bounded_whatever_is_made_up_for() {
    let month = 30 * 86_400;
    for (rule, runs, record) in [
        (CatchUp::None, 1, Missed),
        (CatchUp::Latest, 1, Coalesced),
        (CatchUp::All { max: 50, within: None }, 50, Missed),
    ] {
        let scene = Scene::new(every(1), catch_up(rule)).await;
        assert_eq!(scene.tick(at(month)).await, Some(at(month + 1)));
        let intervals = scene.intervals().await;
        assert_eq!((intervals[0].state, intervals.len()), (record, runs + 1), "{rule:?}");
        let wanted = format!("{} firings from", month as usize - runs);
        assert!(intervals[0].reason.as_deref().unwrap().starts_with(&wanted), "{:?}", intervals[0].reason);
    }
}

#[tokio::test]
async fn a_firing_beyond_its_start_deadline_is_recorded_as_missed() {
    let rules = JobRules { start_deadline: Some(Duration::from_secs(5)), ..JobRules::default() };
    let scene = Scene::new(every(10), rules).await;
    scene.tick(at(16)).await;
    scene.tick(at(25)).await;
    assert_eq!(scene.firings().await, [(Missed, at(10)), (Pending, at(20))]);
    assert!(scene.intervals().await[0].reason.as_deref().unwrap().contains("start_deadline"));
}

#[tokio::test]
async fn jitter_delays_a_firing_and_leaves_its_place_on_the_grid() {
    let rules = JobRules { jitter: Duration::from_secs(8), ..JobRules::default() };
    let scene = Scene::new(every(10), rules).await;
    for due_at in [at(10), at(20), at(30)] {
        let fire_at = scene.world.next_fire_at().await.unwrap().unwrap();
        assert!(due_at <= fire_at && fire_at < due_at + Duration::from_secs(8), "{due_at}: {fire_at}");
        scene.tick(fire_at - Duration::from_millis(1)).await;
        assert!(!scene.firings().await.contains(&(Pending, due_at)), "not before its time");
        scene.tick(fire_at).await;
        let last = scene.intervals().await.pop().unwrap();
        assert_eq!((last.state, last.scheduled_at, last.fired_at), (Pending, due_at, fire_at));
        scene.end_current(fire_at).await;
    }
}

#[tokio::test]
async fn a_job_of_one_instant_fires_then_and_never_again() {
    let scene = Scene::new(Schedule::Once { at: at(10) }, JobRules::default()).await;
    assert_eq!(scene.tick(at(9)).await, Some(at(10)));
    assert_eq!(scene.tick(at(5_000)).await, None, "late, it still runs");
    scene.end_current(at(5_001)).await;
    scene.tick(at(9_000)).await;
    assert_eq!(scene.firings().await, [(Abandoned, at(10))]);
}

#[tokio::test]
async fn an_interval_that_outlasts_its_period_warns_until_one_is_quick_again() {
    let scene = Scene::new(every(10), JobRules::default()).await;
    let owner = scene.world.host("a", at(30)).await;
    scene.tick(at(10)).await;
    assert_eq!(scene.warning().await, None);
    scene.tick(at(20)).await;
    let (slow, warning) = (scene.current().await.unwrap(), scene.warning().await.unwrap());
    assert!(warning.starts_with(&format!("interval {slow} outlasts its period of 10s")), "{warning}");
    scene.end_current(at(25)).await;
    scene.tick(at(30)).await;
    assert!(scene.warning().await.is_some(), "until one has shown that it is over");
    let quick = scene.current().await.unwrap();
    assert_eq!(scene.world.claim_pending(owner, at(31), 9).await.unwrap(), [quick]);
    scene.world.record_plan(owner, quick, &tasks_only(0), no_writes(), at(32)).await.unwrap();
    assert_eq!(scene.warning().await, None);
}
