//! From due jobs to intervals.

use crate::world::{PLUGIN, START, World, at, every, firing, job_on, manual_job, no_writes, tasks_only};
use latchwork::domain::firing::{Run, StillOpen, UnrunFiring, Verdict};
use latchwork::domain::ids::{IntervalId, JobId};
use latchwork::domain::interval::{Firing, IntervalState, Origin};
use latchwork::domain::job::NextFiring;
use latchwork::domain::schedule::Count;
use latchwork::domain::timestamp::Timestamp;
use latchwork::store::{FiringDecision, Triggered};

/// The decision that a job due at `was_due_at` runs, and is next due ten seconds later.
fn run(job: JobId, was_due_at: Timestamp) -> FiringDecision {
    let run = Run { firing: firing(job, Origin::Schedule, was_due_at).firing, waits: None };
    let next = due_next(was_due_at + std::time::Duration::from_secs(10));
    decision(job, was_due_at, Verdict { runs: vec![run], next, ..Verdict::default() })
}

fn decision(job: JobId, was_due_at: Timestamp, verdict: Verdict) -> FiringDecision {
    FiringDecision { job, was_due_at, decided_at: was_due_at, is_tracked: true, verdict }
}

/// The interval that a decision runs.
fn interval_of(decision: &FiringDecision) -> IntervalId {
    decision.verdict.runs[0].firing.interval
}

fn due_next(at: Timestamp) -> Option<NextFiring> {
    Some(NextFiring { scheduled_at: at, fire_at: at })
}

/// The same decision where the job's next firing is another.
fn due_again(mut decision: FiringDecision, at: Timestamp) -> FiringDecision {
    decision.verdict.next = due_next(at);
    decision
}

/// Carries out one decision.
async fn fire(world: &World, decision: &FiringDecision) -> bool {
    world.fire(std::slice::from_ref(decision)).await.unwrap()[0]
}

#[tokio::test]
async fn the_most_overdue_job_comes_first_and_none_before_its_time() {
    let world = super::new_world().await;
    let [late, early, future] = [20, 10, 30].map(|seconds| job_on(every(seconds)));
    let [late, early, future] = [world.keep(late).await, world.keep(early).await, world.keep(future).await];
    world.keep(manual_job()).await;
    let due =
        async |now, limit| world.due_jobs(now, limit).await.unwrap().iter().map(|due| due.job.id).collect::<Vec<_>>();
    assert_eq!(world.next_fire_at().await.unwrap(), Some(at(10)));
    assert_eq!(due(at(9), 9).await, []);
    assert_eq!(due(at(20), 9).await, [early, late]);
    assert_eq!(due(at(99), 2).await, [early, late]);
    assert_eq!(due(at(99), 9).await, [early, late, future]);
}

#[tokio::test]
async fn a_due_job_tells_of_its_intervals_that_are_still_open() {
    let world = super::new_world().await;
    let job = world.keep(job_on(every(10))).await;
    let open = async || world.due_jobs(at(30), 1).await.unwrap()[0].open.clone();
    assert_eq!(open().await, []);
    let by_hand = world.fire_job(job, at(1)).await;
    world.backfill_job(job, at(2)).await;
    let scheduled = run(job, at(10));
    fire(&world, &scheduled).await;
    let owner = world.host("a", at(3)).await;
    world.claim_pending(owner, at(3), 9).await.unwrap();
    world.record_plan(owner, by_hand, &tasks_only(1), no_writes(), at(5)).await.unwrap();
    let still = |id, scheduled_at, began_at, is_scheduled| StillOpen {
        id,
        scheduled_at: at(scheduled_at),
        began_at: at(began_at),
        is_scheduled,
        is_queued: false,
    };
    let scheduled = still(interval_of(&scheduled), 10, 10, true);
    assert_eq!(open().await, [still(by_hand, 1, 5, false), scheduled], "a backfill yields to live firings");
    world.abandon(by_hand, "enough", None, at(2)).await.unwrap();
    assert_eq!(open().await, [scheduled]);
}

#[tokio::test]
async fn of_two_who_decide_about_one_firing_only_one_fires() {
    let world = super::new_world().await;
    let job = world.keep(job_on(every(10))).await;
    let (first, second) = (run(job, at(10)), run(job, at(10)));
    assert!(fire(&world, &first).await);
    assert!(!fire(&world, &second).await);
    let intervals = world.intervals_of(job, 9).await.unwrap();
    assert_eq!(intervals.iter().map(|interval| interval.id).collect::<Vec<_>>(), [interval_of(&first)]);
    assert_eq!(world.next_fire_at().await.unwrap(), Some(at(20)));
}

#[tokio::test]
async fn one_instant_of_a_jobs_schedule_never_has_two_intervals() {
    let world = super::new_world().await;
    let job = world.keep(job_on(every(10))).await;
    let stuck = |was_due_at| due_again(run(job, was_due_at), at(10));
    let (first, again) = (stuck(at(10)), stuck(at(10)));
    fire(&world, &first).await;
    fire(&world, &again).await;
    let intervals = world.intervals_of(job, 9).await.unwrap();
    assert_eq!(intervals.iter().map(|interval| interval.id).collect::<Vec<_>>(), [interval_of(&first)]);
}

#[tokio::test]
async fn a_firing_keeps_when_it_was_due_when_it_was_found_and_what_made_it() {
    let world = super::new_world().await;
    let job = world.keep(job_on(every(10))).await;
    let mut decision = FiringDecision { is_tracked: false, ..run(job, at(10)) };
    let on_time = decision.verdict.runs[0].firing;
    decision.verdict.runs[0].firing = Firing { fired_at: at(13), ..on_time };
    fire(&world, &decision).await;
    let view = world.view(on_time.interval).await;
    assert_eq!((view.scheduled_at, view.fired_at, view.origin.as_str()), (at(10), at(13), "schedule"));
    assert_eq!((view.state, view.job, view.plugin.as_str()), (IntervalState::Pending, job, PLUGIN));
    let open = world.open_interval(view.id).await.unwrap().unwrap();
    assert_eq!((open.scheduled_at, open.is_tracked), (at(10), false));
}

#[tokio::test]
async fn firings_that_do_not_run_are_kept_with_the_reason_and_the_time() {
    let world = super::new_world().await;
    let job = world.keep(job_on(every(10))).await;
    let unrun = |state, reason: &str, scheduled_at| UnrunFiring {
        id: IntervalId::generate(),
        state,
        reason: reason.to_owned(),
        scheduled_at,
        last_at: scheduled_at,
        count: Count { number: 1, has_more: false },
        decided_at: at(45),
    };
    let unrun = vec![
        unrun(IntervalState::Coalesced, "2 stand for it", at(10)),
        unrun(IntervalState::Missed, "too late", at(20)),
        unrun(IntervalState::Skipped, "one is open", at(30)),
    ];
    let verdict = Verdict { unrun: unrun.clone(), next: due_next(at(50)), ..Verdict::default() };
    fire(&world, &decision(job, at(10), verdict)).await;
    for firing in &unrun {
        let view = world.view(firing.id).await;
        assert_eq!((view.state, view.reason.as_ref()), (firing.state, Some(&firing.reason)));
        assert_eq!((view.scheduled_at, view.finished_at), (firing.scheduled_at, Some(at(45))));
        assert_eq!((view.started_at, view.digest), (None, None));
    }
    assert!(world.job(job).await.unwrap().unwrap().current_interval.is_none());
}

#[tokio::test]
async fn an_unknown_job_cannot_be_triggered_nor_fired() {
    let world = super::new_world().await;
    let job = JobId::generate();
    let interval = firing(job, Origin::Trigger, START);
    assert_eq!(world.trigger(&interval, None).await.unwrap(), Triggered::UnknownJob);
    assert!(!fire(&world, &run(job, START)).await);
    assert!(world.interval(interval.firing.interval).await.unwrap().is_none());
}

#[tokio::test]
async fn an_interval_of_a_job_without_plugin_fails_at_once_and_says_why() {
    let world = super::new_world().await;
    let mut job = manual_job();
    job.spec.plugin = "nobody".to_owned();
    let job = world.keep(job).await;
    let view = world.view(world.fire_job(job, at(7)).await).await;
    assert_eq!((view.state, view.finished_at), (IntervalState::Failed, Some(at(7))));
    assert_eq!(view.reason.as_deref(), Some("no version of the job's plugin is uploaded"));
    assert!(world.job(job).await.unwrap().unwrap().current_interval.is_none());
    let owner = world.host("a", START).await;
    assert!(world.claim_pending(owner, at(8), 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_interval_carries_the_work_of_its_job() {
    let world = super::new_world().await;
    let mut job = manual_job();
    job.spec.work.payload = r#"{"a":1}"#.to_owned();
    job.spec.work.tasks = Some(3);
    job.spec.work.policy.max_parallel = 2;
    job.spec.name = "named".to_owned();
    let work = job.spec.work.clone();
    let job = world.keep(job).await;
    let open = world.open_interval(world.fire_job(job, START).await).await.unwrap().unwrap();
    assert_eq!((open.work, open.job, open.job_name.as_str()), (work, job, "named"));
    assert_eq!((open.workspace_id.as_str(), open.plan_attempts, open.stages.len()), ("default", 0, 0));
}

#[tokio::test]
async fn a_firing_that_is_kept_already_does_not_fire_and_the_next_one_still_comes() {
    let world = super::new_world().await;
    let job = world.keep(job_on(every(10))).await;
    let kept = due_again(run(job, at(10)), at(10));
    assert!(fire(&world, &kept).await);
    let swallowed = run(job, at(10));
    assert!(!fire(&world, &swallowed).await);
    assert!(world.interval(interval_of(&swallowed)).await.unwrap().is_none());
    assert_eq!(world.next_fire_at().await.unwrap(), Some(at(20)));
}
