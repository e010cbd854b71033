//! Policies and damage in the engine, with tasks that the tests direct and a clock that they move.

use crate::actors::Actors;
use crate::engine_by_hand::{Host, eventually};
use crate::world::{START, World, manual_job, tasks_only};
use latchwork::clock::Clock as _;
use latchwork::domain::ids::{IncarnationId, IntervalId};
use latchwork::domain::interval::IntervalState;
use latchwork::domain::job::{Job, MaxFailed};
use sqlx::Connection as _;
use std::sync::Arc;
use std::time::Duration;

async fn host() -> (Host, Actors) {
    let actors = Actors::new();
    (Host::with(World::new().await, "a", Arc::new(actors.clone())).await, actors)
}

fn job(plays: &str, tasks: u32, max_parallel: u32) -> Job {
    let mut job = manual_job();
    job.spec.work.payload = format!("\"{plays}\"");
    job.spec.work.tasks = Some(tasks);
    job.spec.work.policy.max_parallel = max_parallel;
    job
}

async fn until(is_so: impl Fn() -> bool) {
    eventually(async || is_so().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overdue_interval_is_ended_at_its_deadline_and_its_calls_are_dropped() {
    let (host, actors) = host().await;
    let mut late = job("held", 9, 4);
    late.spec.work.policy.interval_timeout = Some(Duration::from_millis(4_321));
    let interval = host.fire(late).await;
    until(|| actors.begun_of(interval) == 4).await;
    actors.let_go(1);
    until(|| actors.begun_of(interval) == 5).await;
    host.clock.advance(Duration::from_millis(4_321));
    let view = host.ended(interval).await;
    assert_eq!((view.state, view.counts.completed), (IntervalState::Failed, 1));
    assert_eq!(view.finished_at, Some(START + Duration::from_millis(4_321)), "neither polled for nor early");
    until(|| actors.dropped() == 4).await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_running_calls_of_an_interval_that_is_cut_short_are_dropped_at_once() {
    let (host, actors) = host().await;
    let mut doomed = job("doomed", 9, 4);
    doomed.spec.work.policy.max_failed = Some(MaxFailed::Count(0));
    let view = host.ended(host.fire(doomed).await).await;
    assert_eq!(view.reason.as_deref(), Some("cut short: 1 of 9 tasks failed and max_failed is 0"));
    let begun = actors.begun().len();
    until(|| actors.dropped() == begun - 1).await;
    assert_eq!(host.clock.now(), START, "nobody waited for the second");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_of_a_job_with_a_rate_begin_as_often_as_it_says_in_all_its_intervals_together() {
    let (host, actors) = host().await;
    let mut slow = job("quick", 50, 8);
    slow.spec.work.policy.rate_limit = Some(2.0);
    let job = host.world.keep(slow).await;
    for _ in 0..2 {
        host.world.fire_job(job, START).await;
    }
    host.wakeups.executor.nudge();
    for begun in 1..20 {
        until(|| actors.begun().len() >= begun).await;
        assert_eq!(actors.begun().len(), begun, "after {} ms", 500 * (begun - 1));
        host.clock.advance(Duration::from_millis(500));
    }
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_higher_priority_gets_the_lanes_that_come_free_before_whatever_has_waited_longer() {
    const LANES: usize = 1_024;
    let (host, actors) = host().await;
    for _ in 0..2 {
        host.fire(job("held", 4_000, 1_024)).await;
    }
    until(|| actors.begun().len() >= LANES).await;
    let mut urgent = job("held", 4, 4);
    urgent.spec.work.policy.priority = 1;
    let urgent = host.fire(urgent).await;
    let owner = host.status.incarnation;
    let is_held = async || {
        let held = host.world.held_segments(owner).await.unwrap();
        held.iter().any(|segment| segment.interval == urgent).then_some(())
    };
    eventually(is_held).await;
    let mut let_go = 0;
    while actors.begun_of(urgent) < 4 {
        actors.let_go(1);
        let_go += 1;
        until(|| actors.begun().len() == LANES + let_go).await;
        assert!(let_go <= 16, "it waits for more than what has come free");
    }
    assert_eq!(actors.begun().len(), LANES + let_go, "there are no more lanes than that");
    actors.let_go(10_000);
    assert_eq!(host.ended(urgent).await.state, IntervalState::Succeeded);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn intervals_that_have_enough_to_do_hide_no_other() {
    let (host, actors) = host().await;
    // Each keeps its one lane busy, and has another segment to claim.
    let busy = host.world.keep(job("held", 100, 1)).await;
    for _ in 0..260 {
        host.world.fire_job(busy, START).await;
    }
    let last = host.fire(job("quick", 3, 1)).await;
    assert_eq!(host.ended(last).await.state, IntervalState::Succeeded);
    until(|| actors.begun().len() == 260 + 3).await;
    actors.let_go(26_000);
    host.stop().await;
}

async fn damage(host: &Host, interval: IntervalId) {
    let url = format!("sqlite:{}", host.world.database().display());
    let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
    let ruin = sqlx::query("update stages set waits_for = 'ruin' where interval_id = ?").bind(interval.to_string());
    assert_eq!(ruin.execute(&mut connection).await.unwrap().rows_affected(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interval_whose_end_cannot_be_read_is_replaced_and_holds_up_no_other() {
    let (host, actors) = host().await;
    let damaged = host.fire(job("held", 3, 3)).await;
    let sound = host.fire(job("held", 3, 3)).await;
    until(|| actors.begun().len() == 6).await;
    damage(&host, damaged).await;
    actors.let_go(6);
    assert_eq!(host.ended(sound).await.state, IntervalState::Succeeded);
    let view = host.ended(damaged).await;
    assert_eq!(view.state, IntervalState::Abandoned);
    assert!(view.reason.unwrap().contains("waits_for cannot be read"));
    actors.let_go(3);
    let fallback = eventually(async || {
        let all = host.world.intervals_of(view.job, 9).await.unwrap();
        all.into_iter().find(|interval| interval.replaces == Some(damaged))
    });
    let fallback = host.ended(fallback.await.id).await;
    assert_eq!((fallback.state, fallback.counts.completed), (IntervalState::Succeeded, 3));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn segments_of_a_claim_whose_answer_was_lost_are_given_back_and_run() {
    let world = World::new().await;
    let interval = world.fire_job(world.keep(job("quick", 70, 4)).await, START).await;
    let before = world.host("b", START).await;
    world.plan(before, interval, &tasks_only(70)).await;
    assert_eq!(world.claim(before, interval, START, 9).await, [0, 1]);
    // What a store does that commits and then fails: the rows name a host that knows nothing of it.
    let (owner, url) = (IncarnationId::generate(), format!("sqlite:{}", world.database().display()));
    let hand_over = sqlx::query("update segments set owner = ?").bind(owner.to_string());
    let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
    assert_eq!(hand_over.execute(&mut connection).await.unwrap().rows_affected(), 2);
    let host = Host::born_as(owner, world, "a", Arc::new(Actors::new())).await;
    let view = host.ended(interval).await;
    assert_eq!((view.state, view.counts.completed, view.duplicates), (IntervalState::Succeeded, 70, 0));
    host.stop().await;
}
