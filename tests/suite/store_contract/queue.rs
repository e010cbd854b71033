//! Intervals that wait for others, make way for others, or outlast their period.

use crate::world::{World, at, every, firing, job_on, no_writes, tasks_only};
use latchwork::domain::firing::{Cancellation, Run, Verdict};
use latchwork::domain::ids::{IncarnationId, IntervalId, JobId};
use latchwork::domain::interval::{IntervalState, Origin};
use latchwork::domain::job::NextFiring;
use latchwork::domain::timestamp::Timestamp;
use latchwork::store::{FiringDecision, HeldInterval};

/// Carries out what a job due at `was_due_at` leads to; it is next due ten seconds later.
async fn fire(world: &World, job: JobId, was_due_at: Timestamp, verdict: Verdict) {
    let due_at = was_due_at + std::time::Duration::from_secs(10);
    let verdict = Verdict { next: Some(NextFiring { scheduled_at: due_at, fire_at: due_at }), ..verdict };
    let decision = FiringDecision { job, was_due_at, decided_at: was_due_at, is_tracked: true, verdict };
    assert_eq!(world.fire(&[decision]).await.unwrap(), [true]);
}

/// Fires an interval that begins at once, or waits for a reason.
async fn fire_one(world: &World, job: JobId, was_due_at: Timestamp, waits: Option<&str>) -> IntervalId {
    let firing = firing(job, Origin::Schedule, was_due_at).firing;
    let runs = vec![Run { firing, waits: waits.map(str::to_owned) }];
    fire(world, job, was_due_at, Verdict { runs, ..Verdict::default() }).await;
    firing.interval
}

async fn claimed(world: &World, owner: IncarnationId) -> Vec<IntervalId> {
    world.claim_pending(owner, at(99), 99).await.unwrap()
}

async fn shown(world: &World, job: JobId) -> Option<IntervalId> {
    world.job(job).await.unwrap().unwrap().current_interval.map(|current| current.id)
}

async fn end(world: &World, interval: IntervalId) {
    world.abandon(interval, "it is over", None, at(99)).await.unwrap();
}

#[tokio::test]
async fn what_waits_is_let_go_one_after_another_when_the_open_one_ends() {
    let world = super::new_world().await;
    let (owner, job) = (world.host("a", at(99)).await, world.keep(job_on(every(10))).await);
    let running = fire_one(&world, job, at(10), None).await;
    let first = fire_one(&world, job, at(20), Some("waits")).await;
    let second = fire_one(&world, job, at(30), Some("waits longer")).await;
    let view = world.view(first).await;
    assert_eq!((view.state, view.reason.as_deref()), (IntervalState::Pending, Some("waits")));
    assert_eq!(claimed(&world, owner).await, [running], "nothing is planned before its turn");
    assert_eq!(shown(&world, job).await, Some(running));
    let waiting: Vec<_> = world.due_jobs(at(99), 1).await.unwrap()[0].open.iter().map(|open| open.is_queued).collect();
    assert_eq!(waiting, [false, true, true]);

    end(&world, running).await;
    assert_eq!((claimed(&world, owner).await, shown(&world, job).await), (vec![first], Some(first)));
    let view = world.view(first).await;
    assert_eq!((view.reason, view.fired_at), (None, at(20)), "its lateness stays what it is");
    end(&world, first).await;
    assert_eq!((claimed(&world, owner).await, shown(&world, job).await), (vec![second], Some(second)));
    end(&world, second).await;
    assert_eq!(shown(&world, job).await, None);
}

#[tokio::test]
async fn what_waits_goes_on_waiting_while_another_interval_is_open_but_not_for_a_backfill() {
    let world = super::new_world().await;
    let (owner, job) = (world.host("a", at(99)).await, world.keep(job_on(every(10))).await);
    let running = fire_one(&world, job, at(10), None).await;
    let by_hand = world.fire_job(job, at(11)).await;
    world.backfill_job(job, at(12)).await;
    let waiting = fire_one(&world, job, at(20), Some("waits")).await;
    end(&world, running).await;
    assert!(!claimed(&world, owner).await.contains(&waiting), "the one by hand is open");
    end(&world, by_hand).await;
    assert!(claimed(&world, owner).await.contains(&waiting));
}

#[tokio::test]
async fn what_waited_for_an_interval_that_ended_meanwhile_begins_at_once() {
    let world = super::new_world().await;
    let (owner, job) = (world.host("a", at(99)).await, world.keep(job_on(every(10))).await);
    let waiting = fire_one(&world, job, at(10), Some("waits for one that is over")).await;
    assert_eq!(claimed(&world, owner).await, [waiting]);
}

#[tokio::test]
async fn a_replacement_goes_before_what_waits() {
    let world = super::new_world().await;
    let (owner, job) = (world.host("a", at(99)).await, world.keep(job_on(every(10))).await);
    let running = fire_one(&world, job, at(10), None).await;
    let waiting = fire_one(&world, job, at(20), Some("waits")).await;
    let replacement = firing(job, Origin::Fallback { replaces: running }, at(21));
    world.abandon(running, "it cannot be recovered", Some(&replacement), at(21)).await.unwrap();
    assert_eq!(claimed(&world, owner).await, [replacement.firing.interval]);
    end(&world, replacement.firing.interval).await;
    assert_eq!(claimed(&world, owner).await, [waiting]);
}

#[tokio::test]
async fn a_job_that_is_deleted_leaves_nothing_that_waits() {
    let world = super::new_world().await;
    let (owner, job) = (world.host("a", at(99)).await, world.keep(job_on(every(10))).await);
    fire_one(&world, job, at(10), None).await;
    let waiting = fire_one(&world, job, at(20), Some("waits")).await;
    world.delete_job(job, at(30)).await.unwrap();
    assert_eq!(world.view(waiting).await.state, IntervalState::Cancelled);
    assert!(claimed(&world, owner).await.is_empty());
}

#[tokio::test]
async fn intervals_that_make_way_end_with_the_reason_and_the_new_one_begins() {
    let world = super::new_world().await;
    let (owner, job) = (world.host("a", at(99)).await, world.keep(job_on(every(10))).await);
    let running = fire_one(&world, job, at(10), None).await;
    world.plan(owner, running, &tasks_only(1)).await;
    let waiting = fire_one(&world, job, at(20), Some("waits")).await;
    let ended = fire_one(&world, job, at(30), None).await;
    end(&world, ended).await;
    let run = firing(job, Origin::Schedule, at(40)).firing;
    let cancel = |interval| Cancellation { interval, reason: "another runs in its place".to_owned() };
    let cancels = vec![cancel(ended), cancel(waiting), cancel(running)];
    let runs = vec![Run { firing: run, waits: None }];
    fire(&world, job, at(40), Verdict { runs, cancels, ..Verdict::default() }).await;
    for interval in [waiting, running] {
        let view = world.view(interval).await;
        let wanted = (IntervalState::Cancelled, Some("another runs in its place"), Some(at(40)));
        assert_eq!((view.state, view.reason.as_deref(), view.finished_at), wanted);
    }
    assert_eq!(world.view(ended).await.state, IntervalState::Abandoned, "what has ended stays as it is");
    assert_eq!((claimed(&world, owner).await, shown(&world, job).await), (vec![run.interval], Some(run.interval)));
    assert_eq!(
        world.ended_among(&[running, run.interval].map(|id| HeldInterval { id, reopened: Some(0) })).await.unwrap(),
        [running],
        "its host lets go of it"
    );
}

#[tokio::test]
async fn a_warning_stays_until_an_interval_of_the_schedule_ends_within_its_period() {
    let world = super::new_world().await;
    let (owner, job) = (world.host("a", at(99)).await, world.keep(job_on(every(10))).await);
    let warning = async || world.job(job).await.unwrap().unwrap().warning;
    let verdict = Verdict { warning: Some("it is slow".to_owned()), ..Verdict::default() };
    fire(&world, job, at(10), verdict).await;
    assert_eq!(warning().await.as_deref(), Some("it is slow"));
    fire(&world, job, at(20), Verdict::default()).await;
    assert!(warning().await.is_some(), "a firing without a warning takes none back");

    // An interval without tasks ends with its plan.
    let ends = async |interval: IntervalId, now| {
        assert!(claimed(&world, owner).await.contains(&interval));
        world.record_plan(owner, interval, &tasks_only(0), no_writes(), now).await.unwrap();
    };
    let by_hand = world.fire_job(job, at(21)).await;
    ends(by_hand, at(22)).await;
    assert!(warning().await.is_some(), "one by hand has no period");
    end(&world, fire_one(&world, job, at(30), None).await).await;
    assert!(warning().await.is_some(), "one that did not end by itself says nothing");
    ends(fire_one(&world, job, at(40), None).await, at(45)).await;
    assert_eq!(warning().await, None);
}
