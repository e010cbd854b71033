//! Intervals that cannot go on, and what their jobs show of it.

use crate::hands::Hands;
use crate::world::{START, World, at, firing, manual_job, stages, tasks_only};
use latchwork::domain::ids::{IntervalId, JobId};
use latchwork::domain::interval::{IntervalState, Origin};
use latchwork::store::NewInterval;

/// Abandons an interval and starts its fallback.
async fn fall_back(world: &World, interval: IntervalId, reason: &str) -> IntervalId {
    let job = world.view(interval).await.job;
    let fallback = NewInterval { is_tracked: false, ..firing(job, Origin::Fallback { replaces: interval }, at(20)) };
    world.abandon(interval, reason, Some(&fallback), at(20)).await.unwrap();
    fallback.firing.interval
}

async fn warning(world: &World, job: JobId) -> Option<String> {
    world.job(job).await.unwrap().unwrap().warning
}

/// Runs a job's new interval of one task to its end.
async fn succeed(world: &World, job: JobId) {
    let owner = world.host("b", START).await;
    let interval = world.fire_job(job, START).await;
    world.plan(owner, interval, &tasks_only(1)).await;
    let mut hands = Hands::on(world, owner, interval, START).await;
    hands.start(1, START);
    hands.complete([0]);
    hands.record(world).await.unwrap();
    assert_eq!(world.view(interval).await.state, IntervalState::Succeeded);
}

#[tokio::test]
async fn a_fallback_that_fails_too_warns_on_its_job_until_an_interval_succeeds() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 8).await;
    let job = world.view(interval).await.job;
    let fallback = fall_back(&world, interval, "the rows are damaged").await;
    assert_eq!(warning(&world, job).await, None, "it may still succeed");
    world.abandon(fallback, "the host stopped", None, at(30)).await.unwrap();
    let text = warning(&world, job).await.expect("the job warns");
    for part in [&interval.to_string(), "the rows are damaged", &fallback.to_string(), "the host stopped", "trigger"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    succeed(&world, job).await;
    assert_eq!(warning(&world, job).await, None);
}

#[tokio::test]
async fn a_fallback_without_a_version_fails_with_a_warning_too() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 8).await;
    for gone in ["delete from plugins", "delete from components"] {
        sqlx::query(gone).execute(&mut super::raw(&world).await).await.unwrap();
    }
    let fallback = world.view(fall_back(&world, interval, "its version is gone").await).await;
    assert_eq!(fallback.state, IntervalState::Failed);
    let text = warning(&world, fallback.job).await.expect("the job warns");
    assert!(text.contains("no version of the job's plugin is uploaded"), "{text}");
}

#[tokio::test]
async fn an_ordinary_failure_warns_of_nothing_and_another_warning_stays_after_a_success() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 8).await;
    let job = world.view(interval).await.job;
    world.abandon(interval, "enough", None, at(1)).await.unwrap();
    assert_eq!(warning(&world, job).await, None);
    let other = "update jobs set warning = 'its intervals outlast its period' where id = $1";
    sqlx::query(other).bind(job.to_string()).execute(&mut super::raw(&world).await).await.unwrap();
    succeed(&world, job).await;
    assert!(warning(&world, job).await.is_some());
}

#[tokio::test]
async fn what_records_no_progress_is_not_replaced() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.untracked_interval_of(owner, 8).await;
    let fallback = fall_back(&world, interval, "it cannot be read").await;
    assert_eq!(world.view(interval).await.state, IntervalState::Abandoned);
    assert!(world.interval(fallback).await.unwrap().is_none());
}

#[tokio::test]
async fn the_shape_of_an_interval_is_told_from_its_plan_to_its_end() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.fire_job(world.keep(manual_job()).await, START).await;
    assert_eq!(world.stage_graph(interval).await.unwrap(), None, "it has no plan yet");
    let plan = stages(&[("fetch", 100, &[]), ("merge", 7, &["fetch"])]);
    world.plan(owner, interval, &plan).await;
    let graph = world.stage_graph(interval).await.unwrap().expect("it has a plan");
    assert_eq!((graph.total, &graph.stages[..], &graph.spans), (107, plan.stages(), &plan.segments(0)));
    assert_eq!(graph.check(), Ok(()));
    world.abandon(interval, "enough", None, at(1)).await.unwrap();
    assert_eq!(world.stage_graph(interval).await.unwrap(), None);
}

#[tokio::test]
async fn only_an_interval_with_nothing_to_claim_nor_held_is_stalled() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let [free, held] = [world.interval_of(owner, 8).await, world.interval_of(owner, 8).await];
    world.claim(owner, held, START, 9).await;
    let waits = world.interval_of(owner, 1).await;
    let mut hands = Hands::on(&world, owner, waits, START).await;
    hands.start(1, START);
    hands.retry(0, at(999));
    hands.record(&world).await.unwrap();
    assert_eq!(world.stalled_intervals().await.unwrap(), []);
    let stuck = "update segments set state = 'blocked' where interval_id = $1";
    sqlx::query(stuck).bind(free.to_string()).execute(&mut super::raw(&world).await).await.unwrap();
    let job = world.view(free).await.job;
    assert_eq!(world.stalled_intervals().await.unwrap(), [(free, job)]);
}
