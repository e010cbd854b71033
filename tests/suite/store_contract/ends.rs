//! What the end of an interval means for its job, and for the jobs that wait for it.

use crate::hands::Hands;
use crate::world::{START, World, at, firing, manual_job, tasks_only};
use latchwork::domain::ids::{IncarnationId, IntervalId, JobId};
use latchwork::domain::interval::{IntervalState, Origin};
use latchwork::domain::job::{Job, JobStatus};
use latchwork::domain::rules::{After, AfterEnd, Overlap};
use latchwork::store::{IntervalRecord, JobDeletion, Resume};

async fn job(world: &World, job: JobId) -> Job {
    world.job(job).await.unwrap().unwrap()
}

/// Runs an interval of one task.
async fn run(world: &World, owner: IncarnationId, job: JobId, end: IntervalState) -> IntervalId {
    let interval = world.fire_job(job, START).await;
    finish(world, owner, interval, end).await;
    interval
}

async fn finish(world: &World, owner: IncarnationId, interval: IntervalId, end: IntervalState) {
    match end {
        IntervalState::Abandoned => return world.abandon(interval, "lost", None, at(1)).await.unwrap(),
        IntervalState::Cancelled => {
            world.cancel_interval(interval, "enough", at(1)).await.unwrap();
            return;
        }
        _ => {}
    }
    world.plan(owner, interval, &tasks_only(1)).await;
    let mut hands = Hands::on(world, owner, interval, START).await;
    hands.start(1, START);
    if end == IntervalState::Succeeded {
        hands.complete([0]);
    } else {
        hands.fail(0);
    }
    hands.record(world).await.unwrap();
    assert_eq!(world.view(interval).await.state, end);
}

async fn pausing_after(world: &World, failures: u32) -> JobId {
    let mut job = manual_job();
    job.spec.rules.pause_after_failures = Some(failures);
    world.keep(job).await
}

/// A job that waits for another.
async fn following(world: &World, job: JobId, end: AfterEnd, overlap: Overlap) -> JobId {
    let mut follower = manual_job();
    follower.spec.after = Some(After { job, end });
    follower.spec.rules.overlap = overlap;
    world.keep(follower).await
}

async fn intervals(world: &World, job: JobId) -> Vec<IntervalRecord> {
    let mut intervals = world.intervals_of(job, 99).await.unwrap();
    intervals.reverse();
    intervals
}

#[tokio::test]
async fn a_job_that_failed_too_often_in_a_row_is_paused_with_the_last_failure() {
    use IntervalState::{Abandoned, Cancelled, Failed, Succeeded};
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let id = pausing_after(&world, 3).await;
    for (end, failures) in [(Failed, 1), (Abandoned, 2), (Succeeded, 0), (Failed, 1), (Cancelled, 1), (Failed, 2)] {
        run(&world, owner, id, end).await;
        assert_eq!(
            (job(&world, id).await.failures_in_a_row, job(&world, id).await.status),
            (failures, JobStatus::Active)
        );
    }
    let last = run(&world, owner, id, Failed).await;
    let JobStatus::Paused { reason } = job(&world, id).await.status else { panic!("three failures in a row") };
    assert!(reason.contains("3 intervals") && reason.contains(&last.to_string()), "{reason}");
    world.resume_job(&Resume { job: id, next: None, skipped: None }, at(9)).await.unwrap();
    assert_eq!(job(&world, id).await.failures_in_a_row, 0);
    run(&world, owner, id, Failed).await;
    assert_eq!(job(&world, id).await.status, JobStatus::Active, "it counts from the start again");
}

#[tokio::test]
async fn a_plan_that_fails_and_a_plugin_that_is_missing_count_as_failures() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let id = pausing_after(&world, 9).await;
    let interval = world.fire_job(id, START).await;
    world.claim_pending(owner, START, 9).await.unwrap();
    let failure = crate::hands::failure(latchwork::domain::task::FailureKind::Fatal);
    world.record_plan_failure(owner, interval, &failure, None, crate::world::no_writes(), START).await.unwrap();
    assert_eq!(job(&world, id).await.failures_in_a_row, 1);
    let mut without = manual_job();
    without.spec.plugin = "nobody".to_owned();
    without.spec.rules.pause_after_failures = Some(1);
    let without = world.keep(without).await;
    world.fire_job(without, START).await;
    assert!(matches!(job(&world, without).await.status, JobStatus::Paused { .. }));
}

#[tokio::test]
async fn an_abandoned_interval_and_its_replacement_count_once() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let id = pausing_after(&world, 9).await;
    let follower = following(&world, id, AfterEnd::Failure, Overlap::Allow).await;
    let abandoned = world.fire_job(id, START).await;
    let replacement = firing(id, Origin::Fallback { replaces: abandoned }, at(1));
    world.abandon(abandoned, "lost", Some(&replacement), at(1)).await.unwrap();
    assert_eq!(job(&world, id).await.failures_in_a_row, 0, "its replacement is to tell");
    assert!(intervals(&world, follower).await.is_empty());
    finish(&world, owner, replacement.firing.interval, IntervalState::Failed).await;
    assert_eq!(job(&world, id).await.failures_in_a_row, 1);
    let fired = intervals(&world, follower).await;
    assert_eq!((fired.len(), fired[0].caused_by), (1, Some(replacement.firing.interval)));
}

#[tokio::test]
async fn the_end_of_an_interval_fires_those_that_wait_for_such_an_end() {
    use IntervalState::{Abandoned, Cancelled, Failed, Succeeded};
    for (end, expected) in [(Succeeded, [1, 0, 1]), (Failed, [0, 1, 1]), (Abandoned, [0, 1, 1]), (Cancelled, [0, 0, 0])]
    {
        let world = super::new_world().await;
        let owner = world.host("a", START).await;
        let first = world.keep(manual_job()).await;
        let mut fired = Vec::new();
        let mut followers = Vec::new();
        for wanted in [AfterEnd::Success, AfterEnd::Failure, AfterEnd::Any] {
            followers.push(following(&world, first, wanted, Overlap::Skip).await);
        }
        let cause = run(&world, owner, first, end).await;
        for follower in followers {
            let intervals = intervals(&world, follower).await;
            assert!(intervals.iter().all(|one| one.caused_by == Some(cause) && one.origin == "chain"), "{intervals:?}");
            assert!(intervals.iter().all(|one| one.state == IntervalState::Pending), "{intervals:?}");
            fired.push(intervals.len());
        }
        assert_eq!(fired, expected, "{end}");
    }
}

#[tokio::test]
async fn a_chained_firing_that_finds_an_interval_open_follows_the_jobs_overlap_rule() {
    use IntervalState::{Cancelled, Pending, Skipped};
    let cases = [
        (Overlap::Skip, vec![Pending, Skipped, Skipped]),
        (Overlap::Allow, vec![Pending, Pending, Pending]),
        (Overlap::CancelRunning, vec![Cancelled, Cancelled, Pending]),
        (Overlap::Queue { max: 1 }, vec![Pending, Pending, Skipped]),
    ];
    for (overlap, expected) in cases {
        let world = super::new_world().await;
        let owner = world.host("a", START).await;
        let first = world.keep(manual_job()).await;
        let follower = following(&world, first, AfterEnd::Any, overlap).await;
        let mut causes = Vec::new();
        for _ in 0..3 {
            causes.push(run(&world, owner, first, IntervalState::Failed).await);
        }
        let fired = intervals(&world, follower).await;
        let mut fired: Vec<_> =
            causes.iter().map(|cause| fired.iter().find(|one| one.caused_by == Some(*cause)).unwrap()).collect();
        assert_eq!(fired.iter().map(|one| one.state).collect::<Vec<_>>(), expected, "{overlap:?}");
        let queued: i64 = sqlx::query_scalar("select count(*) from intervals where is_queued")
            .fetch_one(&mut super::raw(&world).await)
            .await
            .unwrap();
        assert_eq!(queued, i64::from(matches!(overlap, Overlap::Queue { .. })), "{overlap:?}");
        fired.retain(|one| one.state == Skipped);
        for (skipped, cause) in fired.iter().rev().zip(causes.iter().rev()) {
            assert!(skipped.reason.as_ref().unwrap().contains(&cause.to_string()), "{skipped:?}");
        }
    }
}

#[tokio::test]
async fn a_paused_follower_records_what_it_does_not_fire() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let first = world.keep(manual_job()).await;
    let follower = following(&world, first, AfterEnd::Any, Overlap::Allow).await;
    world.pause_job(follower, "not now", START).await.unwrap();
    run(&world, owner, first, IntervalState::Succeeded).await;
    let kept = intervals(&world, follower).await;
    assert_eq!((kept.len(), kept[0].state), (1, IntervalState::Skipped));
}

#[tokio::test]
async fn a_chain_of_jobs_without_a_plugin_falls_link_by_link() {
    let world = super::new_world().await;
    let mut last = {
        let mut job = manual_job();
        job.spec.plugin = "nobody".to_owned();
        world.keep(job).await
    };
    let first = last;
    for _ in 0..3 {
        let mut job = manual_job();
        job.spec.plugin = "nobody".to_owned();
        job.spec.after = Some(After { job: last, end: AfterEnd::Failure });
        last = world.keep(job).await;
    }
    world.fire_job(first, START).await;
    assert_eq!(intervals(&world, last).await[0].state, IntervalState::Failed);
}

#[tokio::test]
async fn a_job_that_others_wait_for_is_not_deleted() {
    let world = super::new_world().await;
    let first = world.keep(manual_job()).await;
    let follower = following(&world, first, AfterEnd::Any, Overlap::Skip).await;
    let awaited = JobDeletion::Awaited(vec![(follower, "audit".to_owned())]);
    assert_eq!(world.delete_job(first, at(1)).await.unwrap(), awaited);
    assert!(world.job(first).await.unwrap().is_some());
    assert_eq!(world.delete_job(follower, at(1)).await.unwrap(), JobDeletion::Deleted);
    assert_eq!(world.delete_job(first, at(1)).await.unwrap(), JobDeletion::Deleted);
}
