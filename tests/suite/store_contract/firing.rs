//! From due jobs to intervals.

use crate::world::{PLUGIN, START, World, at, every, firing, job_on, manual_job};
use latchwork::domain::ids::{IntervalId, JobId};
use latchwork::domain::interval::{IntervalState, Origin};
use latchwork::domain::job::NextFiring;
use latchwork::domain::timestamp::Timestamp;
use latchwork::store::{FiringDecision, NewInterval, Triggered, UnrunFiring};

/// The decision that a job due at `was_due_at` runs, and is next due ten seconds later.
fn run(job: JobId, was_due_at: Timestamp) -> FiringDecision {
    let run = firing(job, Origin::Schedule, was_due_at);
    let next = due_next(was_due_at + std::time::Duration::from_secs(10));
    FiringDecision { job, was_due_at, run: Some(run), unrun: Vec::new(), next }
}

fn due_next(at: Timestamp) -> Option<NextFiring> {
    Some(NextFiring { scheduled_at: at, fire_at: at })
}

/// Carries out one decision.
async fn fire(world: &World, decision: &FiringDecision) -> bool {
    world.fire(std::slice::from_ref(decision)).await.unwrap()[0]
}

#[tokio::test]
async fn the_most_overdue_job_comes_first_and_none_before_its_time() {
    let world = World::new().await;
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
async fn a_due_job_tells_of_its_interval_that_is_still_open() {
    let world = World::new().await;
    let job = world.keep(job_on(every(10))).await;
    assert_eq!(world.due_jobs(at(10), 1).await.unwrap()[0].open_interval, None);
    let open = world.fire_job(job, at(1)).await;
    assert_eq!(world.due_jobs(at(10), 1).await.unwrap()[0].open_interval, Some(open));
    world.abandon(open, "enough", None, at(2)).await.unwrap();
    assert_eq!(world.due_jobs(at(10), 1).await.unwrap()[0].open_interval, None);
}

#[tokio::test]
async fn of_two_who_decide_about_one_firing_only_one_fires() {
    let world = World::new().await;
    let job = world.keep(job_on(every(10))).await;
    let (first, second) = (run(job, at(10)), run(job, at(10)));
    assert!(fire(&world, &first).await);
    assert!(!fire(&world, &second).await);
    let intervals = world.intervals_of(job, 9).await.unwrap();
    assert_eq!(intervals.iter().map(|interval| interval.id).collect::<Vec<_>>(), [first.run.unwrap().firing.interval]);
    assert_eq!(world.next_fire_at().await.unwrap(), Some(at(20)));
}

#[tokio::test]
async fn one_instant_of_a_jobs_schedule_never_has_two_intervals() {
    let world = World::new().await;
    let job = world.keep(job_on(every(10))).await;
    let stuck = |was_due_at| FiringDecision { next: due_next(at(10)), ..run(job, was_due_at) };
    let (first, again) = (stuck(at(10)), stuck(at(10)));
    fire(&world, &first).await;
    fire(&world, &again).await;
    let intervals = world.intervals_of(job, 9).await.unwrap();
    assert_eq!(intervals.iter().map(|interval| interval.id).collect::<Vec<_>>(), [first.run.unwrap().firing.interval]);
}

#[tokio::test]
async fn a_firing_keeps_when_it_was_due_when_it_was_found_and_what_made_it() {
    let world = World::new().await;
    let job = world.keep(job_on(every(10))).await;
    let mut decision = run(job, at(10));
    let late = NewInterval { is_tracked: false, ..decision.run.unwrap() };
    let late = NewInterval { firing: latchwork::domain::interval::Firing { fired_at: at(13), ..late.firing }, ..late };
    decision.run = Some(late);
    fire(&world, &decision).await;
    let view = world.view(late.firing.interval).await;
    assert_eq!((view.scheduled_at, view.fired_at, view.origin.as_str()), (at(10), at(13), "schedule"));
    assert_eq!((view.state, view.job, view.plugin.as_str()), (IntervalState::Pending, job, PLUGIN));
    let open = world.open_interval(view.id).await.unwrap().unwrap();
    assert_eq!((open.scheduled_at, open.is_tracked), (at(10), false));
}

#[tokio::test]
async fn firings_that_do_not_run_are_kept_with_the_reason_and_the_time() {
    let world = World::new().await;
    let job = world.keep(job_on(every(10))).await;
    let unrun = |state, reason: &str, scheduled_at| UnrunFiring {
        id: IntervalId::generate(),
        state,
        reason: reason.to_owned(),
        scheduled_at,
        decided_at: at(45),
    };
    let unrun = vec![
        unrun(IntervalState::Coalesced, "2 stand for it", at(10)),
        unrun(IntervalState::Missed, "too late", at(20)),
        unrun(IntervalState::Skipped, "one is open", at(30)),
    ];
    fire(&world, &FiringDecision { run: None, unrun: unrun.clone(), ..run(job, at(10)) }).await;
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
    let world = World::new().await;
    let job = JobId::generate();
    let interval = firing(job, Origin::Trigger, START);
    assert_eq!(world.trigger(&interval, None).await.unwrap(), Triggered::UnknownJob);
    assert!(!fire(&world, &run(job, START)).await);
    assert!(world.interval(interval.firing.interval).await.unwrap().is_none());
}

#[tokio::test]
async fn an_interval_of_a_job_without_plugin_fails_at_once_and_says_why() {
    let world = World::new().await;
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
    let world = World::new().await;
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
    let world = World::new().await;
    let job = world.keep(job_on(every(10))).await;
    let kept = FiringDecision { next: due_next(at(10)), ..run(job, at(10)) };
    assert!(fire(&world, &kept).await);
    let swallowed = run(job, at(10));
    assert!(!fire(&world, &swallowed).await);
    assert!(world.interval(swallowed.run.unwrap().firing.interval).await.unwrap().is_none());
    assert_eq!(world.next_fire_at().await.unwrap(), Some(at(20)));
}
