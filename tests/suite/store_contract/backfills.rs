//! Past ranges of a schedule that are run again.

use crate::hands::Hands;
use crate::world::{START, World, at, backfill_of, every, firing, job_on, tasks_only};
use latchwork::domain::backfill::{Backfill, BackfillState, PRIORITY};
use latchwork::domain::ids::{BackfillId, IntervalId, JobId};
use latchwork::domain::interval::{Firing, IntervalState, Origin};
use latchwork::domain::timestamp::Timestamp;
use latchwork::store::{BackfillStep, NewInterval};

fn step(backfill: &Backfill, next_at: Timestamp, fire: &[Timestamp]) -> BackfillStep {
    let interval = |scheduled_at: &Timestamp| {
        let interval = firing(backfill.job, Origin::Backfill { backfill: backfill.id }, at(200));
        NewInterval { firing: Firing { scheduled_at: *scheduled_at, ..interval.firing }, ..interval }
    };
    BackfillStep { id: backfill.id, was_at: backfill.next_at, next_at, fire: fire.iter().map(interval).collect() }
}

async fn kept(world: &World, created_at: Timestamp) -> Backfill {
    let backfill = backfill_of(world.keep(job_on(every(10))).await, created_at);
    assert!(world.create_backfill(&backfill).await.unwrap());
    backfill
}

async fn state(world: &World, backfill: &Backfill) -> BackfillState {
    world.backfill(backfill.id).await.unwrap().unwrap().backfill.state
}

#[tokio::test]
async fn every_field_of_a_backfill_comes_back_and_survives_a_restart() {
    let world = super::new_world().await;
    let backfill = kept(&world, at(150)).await;
    let world = world.reopened().await;
    let read = world.backfill(backfill.id).await.unwrap().unwrap();
    assert_eq!(format!("{:#?}", read.backfill), format!("{backfill:#?}"));
    assert_eq!((read.open, read.succeeded, read.failed), (0, 0, 0));
    assert_eq!(world.backfills_of(backfill.job, 9).await.unwrap().len(), 1);
    assert!(world.backfill(BackfillId::generate()).await.unwrap().is_none());
    assert!(!world.create_backfill(&backfill_of(JobId::generate(), START)).await.unwrap());
}

#[tokio::test]
async fn a_step_moves_on_and_fires_together_and_only_once() {
    let world = super::new_world().await;
    let backfill = kept(&world, at(150)).await;
    let next = world.job(backfill.job).await.unwrap().unwrap().next;
    let first = step(&backfill, at(30), &[at(10), at(20)]);
    assert!(world.advance_backfill(&first, at(200)).await.unwrap());
    assert!(!world.advance_backfill(&first, at(200)).await.unwrap(), "another host was faster");
    let read = world.backfill(backfill.id).await.unwrap().unwrap();
    assert_eq!((read.backfill.next_at, read.backfill.fired, read.open), (at(30), 2, 2));
    let interval = world.view(first.fire[0].firing.interval).await;
    assert_eq!((interval.scheduled_at, interval.origin.as_str()), (at(10), "backfill"));
    assert_eq!(interval.backfill, Some(backfill.id));
    let priority: i64 = sqlx::query_scalar("select priority from intervals where id = $1")
        .bind(interval.id.to_string())
        .fetch_one(&mut super::raw(&world).await)
        .await
        .unwrap();
    assert_eq!(priority, i64::from(PRIORITY));
    assert_eq!(world.job(backfill.job).await.unwrap().unwrap().next, next, "the grid is left alone");
    let due = &world.due_jobs(at(10), 9).await.unwrap()[0];
    assert_eq!(due.open, [], "a live firing does not mind a backfill's intervals");
}

#[tokio::test]
async fn nothing_is_fired_while_a_live_interval_is_open() {
    let world = super::new_world().await;
    let backfill = kept(&world, at(150)).await;
    let live = world.fire_job(backfill.job, at(150)).await;
    let running = &world.running_backfills().await.unwrap()[0];
    assert_eq!((running.live, running.open, running.job.id), (1, 0, backfill.job));
    assert!(!world.advance_backfill(&step(&backfill, at(20), &[at(10)]), at(200)).await.unwrap());
    assert_eq!(world.intervals_of(backfill.job, 9).await.unwrap().len(), 1);
    world.cancel_interval(live, "done", at(201)).await.unwrap();
    assert!(world.advance_backfill(&step(&backfill, at(20), &[at(10)]), at(202)).await.unwrap());
    let running = &world.running_backfills().await.unwrap()[0];
    assert_eq!((running.live, running.open), (0, 1));
}

#[tokio::test]
async fn a_backfill_has_finished_when_its_range_is_dealt_with_and_its_intervals_have_ended() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let mut backfill = kept(&world, at(150)).await;
    let last = step(&backfill, at(100), &[at(90)]);
    world.advance_backfill(&last, at(200)).await.unwrap();
    backfill.next_at = at(100);
    let nothing = step(&backfill, at(100), &[]);
    world.advance_backfill(&nothing, at(201)).await.unwrap();
    assert_eq!(state(&world, &backfill).await, BackfillState::Running, "its interval is open");
    world.plan(owner, last.fire[0].firing.interval, &tasks_only(0)).await;
    world.advance_backfill(&nothing, at(202)).await.unwrap();
    let read = world.backfill(backfill.id).await.unwrap().unwrap();
    assert_eq!((read.backfill.state, read.backfill.finished_at), (BackfillState::Finished, Some(at(202))));
    assert_eq!((read.open, read.succeeded, read.failed), (0, 1, 0));
    assert!(world.running_backfills().await.unwrap().is_empty());
    assert!(!world.cancel_backfill(backfill.id, at(203)).await.unwrap());
}

#[tokio::test]
async fn a_cancelled_backfill_fires_no_more_and_takes_its_open_intervals_along() {
    let world = super::new_world().await;
    let backfill = kept(&world, at(150)).await;
    let first = step(&backfill, at(20), &[at(10)]);
    world.advance_backfill(&first, at(200)).await.unwrap();
    assert!(world.cancel_backfill(backfill.id, at(201)).await.unwrap());
    assert!(!world.cancel_backfill(backfill.id, at(202)).await.unwrap());
    let interval = world.view(first.fire[0].firing.interval).await;
    assert_eq!((interval.state, interval.finished_at), (IntervalState::Cancelled, Some(at(201))));
    assert_eq!(state(&world, &backfill).await, BackfillState::Cancelled);
    let next = Backfill { next_at: at(20), ..backfill };
    assert!(!world.advance_backfill(&step(&next, at(30), &[at(20)]), at(203)).await.unwrap());
}

#[tokio::test]
async fn backfills_of_one_job_follow_one_another_and_go_with_it() {
    let world = super::new_world().await;
    let first = kept(&world, at(150)).await;
    let second = backfill_of(first.job, at(160));
    world.create_backfill(&second).await.unwrap();
    let other = kept(&world, at(170)).await;
    let running = async || {
        let mut running: Vec<_> = world.running_backfills().await.unwrap().iter().map(|one| one.backfill.id).collect();
        running.sort_unstable();
        running
    };
    assert_eq!(running().await, [first.id, other.id]);
    world.cancel_backfill(first.id, at(200)).await.unwrap();
    assert_eq!(running().await, [second.id, other.id]);
    world.delete_job(first.job, at(201)).await.unwrap();
    assert_eq!(running().await, [other.id]);
    assert_eq!(state(&world, &second).await, BackfillState::Cancelled);
}

#[tokio::test]
async fn the_history_of_firings_holds_the_schedules_and_the_backfills_in_order() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let job = world.keep(job_on(every(10))).await;
    let backfill = backfill_of(job, at(150));
    world.create_backfill(&backfill).await.unwrap();
    let fired = |scheduled_at: Timestamp, fired_at: Timestamp, origin| {
        let interval = firing(job, origin, fired_at);
        NewInterval { firing: Firing { scheduled_at, ..interval.firing }, ..interval }
    };
    let failed: IntervalId = {
        let interval = fired(at(10), at(10), Origin::Schedule);
        world.trigger(&interval, None).await.unwrap();
        world.plan(owner, interval.firing.interval, &tasks_only(1)).await;
        let mut hands = Hands::on(&world, owner, interval.firing.interval, START).await;
        hands.start(1, START);
        hands.fail(0);
        hands.record(&world).await.unwrap();
        interval.firing.interval
    };
    world.trigger(&fired(at(10), at(20), Origin::Backfill { backfill: backfill.id }), None).await.unwrap();
    world.trigger(&fired(at(20), at(30), Origin::Trigger), None).await.unwrap();
    assert_eq!(world.view(failed).await.state, IntervalState::Failed);
    let history = world.firing_history(job, START, at(100)).await.unwrap();
    assert_eq!(history, [(at(10), vec![IntervalState::Failed, IntervalState::Pending])].into());
    assert!(world.firing_history(job, at(11), at(100)).await.unwrap().is_empty());
}
