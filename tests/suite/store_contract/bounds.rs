//! What bounds an interval: its deadline, its failures, and those of a higher priority.

use crate::hands::Hands;
use crate::world::{START, World, at, manual_job, stages, tasks_only};
use latchwork::domain::ids::{IncarnationId, IntervalId};
use latchwork::domain::interval::IntervalState;
use latchwork::domain::job::{MaxFailed, Policy};
use latchwork::domain::plan::Plan;
use std::time::Duration;

/// An interval that `owner` has planned under a policy.
async fn interval_under(world: &World, owner: IncarnationId, policy: Policy, plan: &Plan) -> IntervalId {
    let mut job = manual_job();
    job.spec.work.policy = policy;
    let interval = world.fire_job(world.keep(job).await, START).await;
    world.plan(owner, interval, plan).await;
    interval
}

fn within(seconds: u64) -> Policy {
    Policy { interval_timeout: Some(Duration::from_secs(seconds)), ..Policy::default() }
}

fn at_most(max_failed: MaxFailed) -> Policy {
    Policy { max_failed: Some(max_failed), ..Policy::default() }
}

async fn ended(world: &World, interval: IntervalId) -> (IntervalState, String, u64, u64) {
    let view = world.view(interval).await;
    (view.state, view.reason.unwrap_or_default(), view.counts.completed, view.counts.failed)
}

#[tokio::test]
async fn an_interval_is_ended_at_its_deadline_and_keeps_what_has_completed() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = interval_under(&world, owner, within(30), &tasks_only(9)).await;
    let unbounded = interval_under(&world, owner, Policy::default(), &tasks_only(9)).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.start(4, START);
    hands.complete(0..3);
    hands.record(&world).await.unwrap();
    assert_eq!(world.next_wake_at().await.unwrap(), Some(at(30)));
    assert_eq!(world.end_overdue(at(29), 9).await.unwrap(), []);
    let job = world.view(interval).await.job;
    assert_eq!(world.end_overdue(at(30), 9).await.unwrap(), [(interval, job)]);
    let reason = "took longer than interval_timeout (30s)".to_owned();
    assert_eq!(ended(&world, interval).await, (IntervalState::Failed, reason, 3, 0));
    assert_eq!(world.completed(interval).await, [0, 1, 2]);
    hands.complete([3]);
    assert!(super::is_lease_lost(hands.record(&world).await), "whoever works on it has lost it");
    assert_eq!(world.end_overdue(at(9_999), 9).await.unwrap(), []);
    assert_eq!(world.view(unbounded).await.state, IntervalState::Running);
}

#[tokio::test]
async fn a_deadline_counts_from_the_plan_and_stands_when_the_host_dies() {
    let world = super::new_world().await;
    let dead = world.host("a", START).await;
    let mut job = manual_job();
    job.spec.work.policy = within(30);
    let interval = world.fire_job(world.keep(job).await, START).await;
    world.claim_pending(dead, at(5), 9).await.unwrap();
    assert_eq!(world.end_overdue(at(999), 9).await.unwrap(), [], "it has no plan yet");
    world.record_plan(dead, interval, &tasks_only(9), crate::world::no_writes(), at(10)).await.unwrap();
    Hands::on(&world, dead, interval, at(10)).await;
    let world = world.reopened().await;
    world.host("a", at(20)).await;
    world.resume(interval, 1, 3, at(20)).await.unwrap();
    assert_eq!(world.end_overdue(at(39), 9).await.unwrap(), []);
    assert_eq!(world.end_overdue(at(40), 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_most_overdue_are_ended_first_and_not_all_at_once() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let late = interval_under(&world, owner, within(2), &tasks_only(9)).await;
    let later = interval_under(&world, owner, within(1), &tasks_only(9)).await;
    let intervals =
        async || world.end_overdue(at(9), 1).await.unwrap().into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    assert_eq!((intervals().await, intervals().await, intervals().await), (vec![later], vec![late], vec![]));
}

#[tokio::test]
async fn one_failure_too_many_ends_the_interval_in_the_commit_that_records_it() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let plan = stages(&[("a", 70, &[]), ("b", 30, &[]), ("c", 5, &["a"])]);
    let interval = interval_under(&world, owner, at_most(MaxFailed::Count(2)), &plan).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.start(99, START);
    hands.complete([0]);
    // In three segments and two stages.
    hands.fail(1);
    hands.fail(69);
    assert!(hands.record(&world).await.unwrap().ended.is_empty(), "as many as may");
    hands.fail(70);
    let recorded = hands.record(&world).await.unwrap();
    assert_eq!(recorded.ended.iter().map(|(id, ..)| *id).collect::<Vec<_>>(), [interval]);
    let reason = "cut short: 3 of 105 tasks failed and max_failed is 2".to_owned();
    assert_eq!(ended(&world, interval).await, (IntervalState::Failed, reason, 1, 3));
    assert!(world.claimable_intervals(at(1), &[], 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn poison_tasks_count_among_the_failures() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = interval_under(&world, owner, at_most(MaxFailed::Share(0.1)), &tasks_only(20)).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.start(3, START);
    hands.record(&world).await.unwrap();
    let resumed = world.resume(interval, 1, 1, at(20)).await.unwrap();
    assert_eq!((resumed.poisoned.len(), resumed.ended), (3, Some(IntervalState::Failed)));
    assert_eq!(ended(&world, interval).await.1, "cut short: 3 of 20 tasks failed and max_failed is 10%");
}

#[tokio::test]
async fn an_interval_whose_last_task_fails_has_ended_and_is_not_cut_short() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = interval_under(&world, owner, at_most(MaxFailed::Count(0)), &tasks_only(2)).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.start(2, START);
    hands.complete([0]);
    hands.fail(1);
    hands.record(&world).await.unwrap();
    assert_eq!(ended(&world, interval).await.1, "1 task failed in stage tasks");
}

#[tokio::test]
async fn intervals_of_a_higher_priority_come_first_wherever_there_is_a_choice() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let mut fired = Vec::new();
    for (priority, fired_at) in [(0, at(1)), (-100, at(0)), (100, at(3)), (100, at(2))] {
        let mut job = manual_job();
        job.spec.work.policy.priority = priority;
        fired.push(world.fire_job(world.keep(job).await, fired_at).await);
    }
    let order = [fired[3], fired[2], fired[0], fired[1]];
    assert_eq!(world.claim_pending(owner, at(4), 2).await.unwrap().len(), 2);
    let other = world.host("b", at(4)).await;
    let rest = world.claim_pending(other, at(4), 9).await.unwrap();
    assert!(rest.contains(&fired[0]) && rest.contains(&fired[1]), "the first two were the most urgent");
    for interval in fired {
        let planner = if rest.contains(&interval) { other } else { owner };
        world.record_plan(planner, interval, &tasks_only(1), crate::world::no_writes(), at(4)).await.unwrap();
    }
    assert_eq!(world.claimable_intervals(at(4), &[], 9).await.unwrap(), order);
    assert_eq!(world.claimable_intervals(at(4), &order[..2], 1).await.unwrap(), [order[2]], "nothing hides the rest");
}
