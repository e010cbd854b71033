//! Intervals that are opened again after their end.

use super::is_lease_lost;
use crate::hands::Hands;
use crate::world::{A_LANE, START, World, at, firing, manual_job, stages, tasks_only};
use latchwork::domain::ids::{IncarnationId, IntervalId, TaskIndex};
use latchwork::domain::interval::{IntervalState, Origin};
use latchwork::domain::reopening::NotRetried;
use latchwork::domain::task::FailureKind;
use latchwork::store::{HeldInterval, Retrial};
use std::time::Duration;

/// An interval of ten tasks that failed at the third.
async fn failed_interval(world: &World, owner: IncarnationId) -> IntervalId {
    let interval = world.interval_of(owner, 10).await;
    let mut hands = Hands::on(world, owner, interval, START).await;
    hands.start(10, START);
    hands.complete((0..10).filter(|index| *index != 3));
    hands.fail(3);
    hands.record(world).await.unwrap();
    assert_eq!(world.view(interval).await.state, IntervalState::Failed);
    interval
}

async fn retry(world: &World, interval: IntervalId) -> Retrial {
    world.retry_interval(interval, at(9)).await.unwrap()
}

#[tokio::test]
async fn only_what_failed_runs_again_and_with_fresh_attempts() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = failed_interval(&world, owner).await;
    let digest = world.view(interval).await.digest;
    assert_eq!(retry(&world, interval).await, Retrial::Reopened);

    let view = world.view(interval).await;
    assert_eq!((view.state, view.reason, view.finished_at), (IntervalState::Running, None, None));
    assert_eq!((view.counts.completed, view.counts.failed, view.digest), (9, 0, digest));
    let job = world.job(view.job).await.unwrap().unwrap();
    assert_eq!(job.current_interval.unwrap().id, interval);
    assert_eq!(world.claimable_intervals(at(9), &[], 9).await.unwrap(), [interval]);
    let note = world.task_notes(interval, TaskIndex(3), TaskIndex(3)).await.unwrap().remove(&TaskIndex(3)).unwrap();
    assert_eq!((note.attempts, note.failure.unwrap().0.as_str()), (0, FailureKind::Fatal.name()), "the reason stays");

    let mut hands = Hands::on(&world, owner, interval, at(9)).await;
    assert_eq!(hands.start(10, at(9)), [(3, 1)]);
    hands.complete([3]);
    hands.record(&world).await.unwrap();
    let view = world.view(interval).await;
    assert_eq!((view.state, view.counts.completed), (IntervalState::Succeeded, 10));
}

#[tokio::test]
async fn a_stage_that_never_began_begins_when_the_one_before_it_has_been_mended() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let job = world.keep(manual_job()).await;
    let interval = world.fire_job(job, START).await;
    world.plan(owner, interval, &stages(&[("first", 2, &[]), ("second", 2, &["first"])])).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.start(2, START);
    hands.complete([0]);
    hands.fail(1);
    hands.record(&world).await.unwrap();
    assert_eq!(retry(&world, interval).await, Retrial::Reopened);
    let mut hands = Hands::on(&world, owner, interval, at(9)).await;
    assert_eq!(hands.start(9, at(9)), [(1, 1)]);
    hands.complete([1]);
    assert!(hands.record(&world).await.unwrap().has_opened);
    let mut hands = Hands::on(&world, owner, interval, at(9)).await;
    assert_eq!(hands.start(9, at(9)), [(2, 1), (3, 1)]);
}

#[tokio::test]
async fn a_cancelled_interval_goes_on_where_it_was_without_waiting_for_its_retries() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 10).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.start(6, START);
    hands.complete(0..4);
    hands.retry(4, at(3_600));
    hands.record(&world).await.unwrap();
    world.cancel_interval(interval, "enough", at(1)).await.unwrap();
    assert_eq!(retry(&world, interval).await, Retrial::Reopened);
    let mut hands = Hands::on(&world, owner, interval, at(9)).await;
    let started: Vec<_> = hands.start(10, at(9));
    assert_eq!(started, [(4, 1), (5, 1), (6, 1), (7, 1), (8, 1), (9, 1)]);
}

#[tokio::test]
async fn whoever_worked_on_the_earlier_life_can_neither_claim_nor_record() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 10).await;
    let mut before = Hands::on(&world, owner, interval, START).await;
    before.start(2, START);
    before.record(&world).await.unwrap();
    world.cancel_interval(interval, "enough", at(1)).await.unwrap();
    world.retry_interval(interval, at(2)).await.unwrap();

    let held = |reopened| [HeldInterval { id: interval, reopened }];
    assert_eq!(world.ended_among(&held(Some(0))).await.unwrap(), [interval]);
    assert!(world.ended_among(&held(Some(1))).await.unwrap().is_empty());
    assert!(world.ended_among(&held(None)).await.unwrap().is_empty(), "it is just being taken up");
    let claim = latchwork::store::Claim { owner, interval, reopened: 0, lanes: A_LANE, limit: 9, now: at(2) };
    assert!(world.claim_segments(claim).await.unwrap().is_empty());

    // The same incarnation holds the segment again, by another claim.
    let mut after = Hands::on(&world, owner, interval, at(2)).await;
    after.start(1, at(2));
    after.record(&world).await.unwrap();
    before.complete([1]);
    assert!(is_lease_lost(before.record(&world).await));
    after.complete([0]);
    after.record(&world).await.unwrap();
    assert_eq!(world.completed(interval).await, [0]);
}

#[tokio::test]
async fn an_interval_whose_plan_failed_is_planned_again() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.fire_job(world.keep(manual_job()).await, START).await;
    world.claim_pending(owner, START, 9).await.unwrap();
    let failure = crate::hands::failure(FailureKind::Fatal);
    world.record_plan_failure(owner, interval, &failure, None, crate::world::no_writes(), START).await.unwrap();
    assert_eq!(retry(&world, interval).await, Retrial::Reopened);
    assert_eq!(world.view(interval).await.state, IntervalState::Pending);
    world.plan(owner, interval, &tasks_only(1)).await;
    assert_eq!(world.view(interval).await.state, IntervalState::Running);
}

#[tokio::test]
async fn a_time_limit_counts_anew() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let mut job = manual_job();
    job.spec.work.policy.interval_timeout = Some(Duration::from_secs(30));
    let interval = world.fire_job(world.keep(job).await, START).await;
    world.plan(owner, interval, &tasks_only(1)).await;
    world.cancel_interval(interval, "enough", at(1)).await.unwrap();
    world.retry_interval(interval, at(50)).await.unwrap();
    let deadline: i64 = sqlx::query_scalar("select deadline_at from intervals where id = $1")
        .bind(interval.to_string())
        .fetch_one(&mut super::raw(&world).await)
        .await
        .unwrap();
    assert_eq!(deadline, at(80).ms());
}

#[tokio::test]
async fn what_has_nothing_to_retry_is_refused_and_left_alone() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let (open, succeeded) = (world.interval_of(owner, 1).await, world.interval_of(owner, 0).await);
    let abandoned = world.interval_of(owner, 1).await;
    let job = world.view(abandoned).await.job;
    let replacement = firing(job, Origin::Fallback { replaces: abandoned }, at(1));
    world.abandon(abandoned, "lost", Some(&replacement), at(1)).await.unwrap();
    let deleted = failed_interval(&world, owner).await;
    world.delete_job(world.view(deleted).await.job, at(1)).await.unwrap();
    let cases = [
        (open, NotRetried::Open(IntervalState::Running)),
        (succeeded, NotRetried::NothingFailed),
        (abandoned, NotRetried::Replaced(replacement.firing.interval)),
        (deleted, NotRetried::JobDeleted),
    ];
    for (interval, why) in cases {
        let before = format!("{:?}", world.view(interval).await);
        assert_eq!(retry(&world, interval).await, Retrial::Refused(why));
        assert_eq!(format!("{:?}", world.view(interval).await), before);
    }
    assert_eq!(retry(&world, IntervalId::generate()).await, Retrial::Unknown);
}
