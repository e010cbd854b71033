//! What dead incarnations left.

use crate::hands::Hands;
use crate::world::{START, World, at, firing, manual_job};
use latchwork::domain::ids::{IncarnationId, IntervalId, TaskIndex};
use latchwork::domain::interval::{IntervalState, Origin};
use latchwork::domain::progress::Progress;
use latchwork::domain::segment::SegmentState;
use latchwork::domain::worklist::SegmentUpdate;
use latchwork::store::{Batch, NewInterval, Resumed, StoreError};

async fn interrupted(world: &World, seconds: u64) -> Vec<IntervalId> {
    world.interrupted_intervals(at(seconds)).await.unwrap().iter().map(|dead| dead.id).collect()
}

/// A host of this name begins so many tasks of an interval, records that, and is not heard of again.
async fn crash(world: &World, host: &str, interval: IntervalId, tasks: usize, completes: &[u32]) {
    let owner = world.host(host, START).await;
    let mut hands = Hands::on(world, owner, interval, START).await;
    hands.start(tasks, START);
    hands.complete(completes.iter().copied());
    hands.record(world).await.unwrap();
}

async fn interval_of(world: &World, tasks: u32) -> IntervalId {
    let planner: IncarnationId = world.host("planner", START).await;
    world.interval_of(planner, tasks).await
}

#[tokio::test]
async fn an_interval_is_interrupted_when_its_hosts_lease_ran_out_or_the_host_started_again() {
    let world = super::new_world().await;
    let [expires, restarts, lives] =
        [interval_of(&world, 8).await, interval_of(&world, 8).await, interval_of(&world, 8).await];
    crash(&world, "expires", expires, 1, &[]).await;
    crash(&world, "restarts", restarts, 1, &[]).await;
    let living = world.host("lives", START).await;
    Hands::on(&world, living, lives, START).await;
    assert_eq!(interrupted(&world, 1).await, []);
    world.host("restarts", at(1)).await;
    assert_eq!(interrupted(&world, 1).await, [restarts], "at once, without waiting for the lease");
    world.renew_incarnation(living, at(15)).await.unwrap();
    assert_eq!(interrupted(&world, 16).await.len(), 2);
    assert!(!interrupted(&world, 16).await.contains(&lives));
}

#[tokio::test]
async fn a_plan_in_the_making_is_interrupted_too_and_is_made_again() {
    let world = super::new_world().await;
    let (dead, heir) = (world.host("a", START).await, world.host("b", at(20)).await);
    let interval = world.fire_job(world.keep(manual_job()).await, START).await;
    world.claim_pending(dead, START, 9).await.unwrap();
    assert_eq!(interrupted(&world, 20).await, [interval]);
    world.resume(interval, 1, 3, at(20)).await.unwrap();
    assert_eq!(interrupted(&world, 20).await, []);
    assert_eq!(world.claim_pending(heir, at(20), 9).await.unwrap(), [interval]);
}

#[tokio::test]
async fn resuming_frees_what_the_dead_held_and_counts_what_was_in_flight() {
    let world = super::new_world().await;
    let interval = interval_of(&world, 100).await;
    crash(&world, "a", interval, 5, &[0, 3]).await;
    let resumed = world.resume(interval, 1, 3, at(20)).await.unwrap();
    assert_eq!(resumed, Resumed { duplicates: 3, poisoned: Vec::new(), ended: None });
    let view = world.view(interval).await;
    assert_eq!((view.duplicates, view.recovery_attempts), (3, 1));
    assert_eq!((view.counts.completed, view.counts.running), (2, 0));
    let notes = world.task_notes(interval, TaskIndex(0), TaskIndex(99)).await.unwrap();
    let crashes: Vec<_> = notes.iter().map(|(index, note)| (index.0, note.crashes, note.attempts)).collect();
    assert_eq!(crashes, [(1, 1, 0), (2, 1, 0), (4, 1, 0)]);
    let heir = world.host("b", at(20)).await;
    let rest: Vec<_> = (0..100).filter(|index| ![0, 3].contains(index)).map(|index| (index, 1)).collect();
    assert_eq!(Hands::on(&world, heir, interval, at(20)).await.start(999, at(20)), rest);
}

#[tokio::test]
async fn resuming_leaves_the_living_alone_and_a_second_recoverer_changes_nothing() {
    let world = super::new_world().await;
    let interval = interval_of(&world, 130).await;
    let (dead, living) = (world.host("a", START).await, world.host("b", at(10)).await);
    assert_eq!(world.claim(dead, interval, START, 1).await, [0]);
    let mut hands = Hands::on(&world, living, interval, at(10)).await;
    world.resume(interval, 1, 3, at(20)).await.unwrap();
    assert_eq!(world.resume(interval, 2, 3, at(20)).await.unwrap(), Resumed::default());
    assert_eq!(world.view(interval).await.recovery_attempts, 1);
    hands.start(2, at(20));
    hands.complete([64]);
    hands.record(&world).await.unwrap();
    assert_eq!(world.completed(interval).await, [64]);
}

#[tokio::test]
async fn a_plan_that_a_living_host_makes_survives_a_late_recoverer() {
    let world = super::new_world().await;
    let (dead, heir) = (world.host("a", START).await, world.host("b", at(20)).await);
    let interval = world.fire_job(world.keep(manual_job()).await, START).await;
    world.claim_pending(dead, START, 9).await.unwrap();
    world.resume(interval, 1, 3, at(20)).await.unwrap();
    world.claim_pending(heir, at(20), 9).await.unwrap();
    world.resume(interval, 1, 3, at(20)).await.unwrap();
    assert!(world.claim_pending(dead, at(20), 9).await.unwrap().is_empty());
    let plan = crate::world::tasks_only(1);
    world.record_plan(heir, interval, &plan, crate::world::no_writes(), at(21)).await.unwrap();
}

#[tokio::test]
async fn a_task_in_flight_in_too_many_crashes_is_poison_and_the_rest_goes_on() {
    let world = super::new_world().await;
    let interval = interval_of(&world, 3).await;
    for crashes in 1..3 {
        crash(&world, "a", interval, 1, &[]).await;
        let resumed = world.resume(interval, crashes, 3, at(20)).await.unwrap();
        assert_eq!((resumed.duplicates, resumed.poisoned.len()), (1, 0));
    }
    let owner = world.host("a", START).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    assert_eq!(hands.start(9, START), [(1, 1), (2, 1)], "the suspect waits until it can run alone");
    hands.complete([1, 2]);
    assert_eq!(hands.start(9, START), [(0, 1)]);
    hands.record(&world).await.unwrap();
    let resumed = world.resume(interval, 3, 3, at(20)).await.unwrap();
    let ended = Some(IntervalState::Failed);
    assert_eq!(resumed, Resumed { duplicates: 0, poisoned: vec![TaskIndex(0)], ended });
    let note = world.task_notes(interval, TaskIndex(0), TaskIndex(0)).await.unwrap().remove(&TaskIndex(0)).unwrap();
    let message = "the task was in flight in 3 crashes of the host".to_owned();
    assert_eq!((note.crashes, note.attempts, note.failure), (3, 0, Some(("poison".to_owned(), message))));
    let view = world.view(interval).await;
    assert_eq!((view.counts.completed, view.counts.failed), (2, 1));
}

#[tokio::test]
async fn an_interval_whose_last_task_is_poison_ends_with_it() {
    let world = super::new_world().await;
    let interval = interval_of(&world, 2).await;
    crash(&world, "a", interval, 2, &[0]).await;
    let resumed = world.resume(interval, 1, 1, at(20)).await.unwrap();
    assert_eq!((resumed.poisoned, resumed.ended), (vec![TaskIndex(1)], Some(IntervalState::Failed)));
    let view = world.view(interval).await;
    assert_eq!((view.state, view.counts.failed, view.finished_at), (IntervalState::Failed, 1, Some(at(20))));
}

#[tokio::test]
async fn a_crash_spends_no_attempt_and_a_pending_retry_keeps_its_time() {
    let world = super::new_world().await;
    let interval = interval_of(&world, 2).await;
    let owner = world.host("a", START).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.start(2, START);
    hands.retry(1, at(40));
    hands.record(&world).await.unwrap();
    world.resume(interval, 1, 3, at(20)).await.unwrap();
    let heir = world.host("b", at(30)).await;
    let mut hands = Hands::on(&world, heir, interval, at(30)).await;
    assert_eq!(hands.start(9, at(39)), [(0, 1)]);
    assert_eq!(hands.start(9, at(40)), [(1, 2)]);
}

#[tokio::test]
async fn what_decides_about_an_interval_is_remembered_from_recovery_to_recovery() {
    let world = super::new_world().await;
    let interval = interval_of(&world, 100).await;
    let casualty = async || {
        let dead = world.interrupted_intervals(at(20)).await.unwrap().remove(0);
        assert_eq!(dead.completed, dead.casualty.settled);
        (dead.casualty.is_recoverable, dead.casualty.fruitless, dead.casualty.settled, dead.casualty.settled_before)
    };
    crash(&world, "a", interval, 5, &[0, 1]).await;
    assert_eq!(casualty().await, (true, 0, 2, None));
    world.resume(interval, 1, 9, at(20)).await.unwrap();
    crash(&world, "a", interval, 5, &[7]).await;
    assert_eq!(casualty().await, (true, 1, 3, Some(2)));
    world.resume(interval, 2, 9, at(20)).await.unwrap();
    crash(&world, "a", interval, 5, &[]).await;
    assert_eq!(casualty().await, (true, 2, 3, Some(3)));
}

#[tokio::test]
async fn progress_that_cannot_be_read_is_named_and_left_as_it_is() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 8).await;
    world.claim(owner, interval, START, 9).await;
    let mut progress = Progress::none(80);
    progress.complete(79);
    let state = SegmentState::Leased { owner };
    let damaged = SegmentUpdate { number: 0, first: 0, epoch: 1, state, progress, revision: 9 };
    let batch = Batch { segments: vec![(interval, damaged)], tasks: Vec::new() };
    world.record(owner, &batch, START).await.unwrap();
    let resumed = world.resume(interval, 1, 3, at(20)).await;
    assert!(matches!(resumed, Err(StoreError::Unreadable { .. })), "{resumed:?}");
    assert_eq!(interrupted(&world, 20).await, [interval]);
    assert_eq!(world.view(interval).await.recovery_attempts, 0);
}

#[tokio::test]
async fn an_abandoned_interval_is_over_and_says_why() {
    let world = super::new_world().await;
    let interval = interval_of(&world, 8).await;
    crash(&world, "a", interval, 2, &[0]).await;
    world.abandon(interval, "recovery is off", None, at(20)).await.unwrap();
    let view = world.view(interval).await;
    assert_eq!((view.state, view.reason.as_deref()), (IntervalState::Abandoned, Some("recovery is off")));
    assert_eq!((view.finished_at, view.counts.completed, view.counts.running), (Some(at(20)), 1, 0));
    assert_eq!(interrupted(&world, 20).await, []);
    assert!(world.job(view.job).await.unwrap().unwrap().current_interval.is_none());
    assert_eq!(world.intervals_of(view.job, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_replacement_takes_the_place_of_an_abandoned_interval() {
    let world = super::new_world().await;
    let interval = interval_of(&world, 8).await;
    let job = world.view(interval).await.job;
    crash(&world, "a", interval, 2, &[0]).await;
    let replacement = NewInterval { is_tracked: false, ..firing(job, Origin::Fallback { replaces: interval }, at(20)) };
    world.abandon(interval, "unreadable", Some(&replacement), at(20)).await.unwrap();
    let view = world.view(replacement.firing.interval).await;
    assert_eq!((view.state, view.origin.as_str(), view.replaces), (IntervalState::Pending, "fallback", Some(interval)));
    assert!(!world.open_interval(view.id).await.unwrap().unwrap().is_tracked);
    assert_eq!(world.job(job).await.unwrap().unwrap().current_interval.unwrap().id, view.id);
}

#[tokio::test]
async fn jobs_with_an_open_interval_are_incomplete() {
    let world = super::new_world().await;
    let interval = interval_of(&world, 8).await;
    let job = world.view(interval).await.job;
    world.keep(manual_job()).await;
    crash(&world, "a", interval, 3, &[0, 2]).await;
    let incomplete = world.incomplete_jobs().await.unwrap();
    assert_eq!(incomplete.len(), 1);
    assert_eq!((incomplete[0].job, incomplete[0].interval, incomplete[0].completed), (job, interval, 2));
    world.delete_job(job, at(1)).await.unwrap();
    assert!(world.incomplete_jobs().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_interval_that_has_ended_is_not_abandoned_and_not_replaced() {
    let world = super::new_world().await;
    let interval = interval_of(&world, 8).await;
    let job = world.view(interval).await.job;
    world.abandon(interval, "first", None, at(1)).await.unwrap();
    let replacement = firing(job, Origin::Fallback { replaces: interval }, at(2));
    world.abandon(interval, "second", Some(&replacement), at(2)).await.unwrap();
    let view = world.view(interval).await;
    assert_eq!((view.reason.as_deref(), view.finished_at), (Some("first"), Some(at(1))));
    assert!(world.interval(replacement.firing.interval).await.unwrap().is_none());
}

#[tokio::test]
async fn a_replacement_is_a_copy_of_what_it_replaces_and_not_of_the_job() {
    let world = super::new_world().await;
    let mut job = manual_job();
    job.spec.work.payload = r#"{"a":1}"#.to_owned();
    job.spec.work.tasks = Some(3);
    let work = job.spec.work.clone();
    let job = world.keep(job).await;
    let interval = world.fire_job(job, START).await;
    let pinned = world.open_interval(interval).await.unwrap().unwrap().digest;
    let changed = sqlx::query("update jobs set payload = '2', tasks = 9 where id = $1").bind(job.to_string());
    changed.execute(&mut super::raw(&world).await).await.unwrap();
    world.upload(crate::world::PLUGIN, b"a newer component", at(5)).await;
    let replacement = firing(job, Origin::Fallback { replaces: interval }, at(20));
    world.abandon(interval, "unreadable", Some(&replacement), at(20)).await.unwrap();
    let open = world.open_interval(replacement.firing.interval).await.unwrap().unwrap();
    assert_eq!((open.work, open.digest, open.scheduled_at), (work, pinned, START));
    assert_eq!(world.view(open.id).await.fired_at, at(20));
}

#[tokio::test]
async fn a_replacement_takes_the_current_version_where_the_pinned_one_is_gone() {
    let world = super::new_world().await;
    let interval = interval_of(&world, 8).await;
    let job = world.view(interval).await.job;
    let gone = "update intervals set digest = 'sha256:gone' where id = $1";
    sqlx::query(gone).bind(interval.to_string()).execute(&mut super::raw(&world).await).await.unwrap();
    let (newer, _) = world.upload(crate::world::PLUGIN, b"a newer component", at(5)).await;
    let replacement = firing(job, Origin::Fallback { replaces: interval }, at(20));
    world.abandon(interval, "unreadable", Some(&replacement), at(20)).await.unwrap();
    assert_eq!(world.open_interval(replacement.firing.interval).await.unwrap().unwrap().digest, newer);
}
