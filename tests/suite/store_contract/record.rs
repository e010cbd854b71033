//! The commit that makes completions count.

use super::is_lease_lost;
use crate::hands::Hands;
use crate::world::{START, at, manual_job, stages, tasks_only};
use latchwork::domain::ids::TaskIndex;
use latchwork::domain::interval::IntervalState;
use latchwork::domain::job::Counts;
use latchwork::domain::task::{LogLevel, LogLine};
use latchwork::store::TaskRecord;

/// Leaves an output, a key and a log line.
fn everything(task: &mut TaskRecord) {
    task.output = b"result".to_vec();
    task.keys = [("seen".to_owned(), Some(b"1".to_vec()))].into();
    task.log = vec![LogLine { at: at(1), level: LogLevel::Info, message: "looked".to_owned() }];
}

#[tokio::test]
async fn what_a_task_left_becomes_visible_with_its_completion() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 100).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.start(5, START);
    hands.complete([0, 2]);
    hands.note(2, everything);
    hands.fail(1);
    hands.retry(3, at(60));
    hands.record(&world).await.unwrap();

    assert_eq!(world.counts(interval).await, Counts { total: 100, completed: 2, failed: 1, running: 1 });
    assert_eq!(world.completed(interval).await, [0, 2]);
    let job = world.view(interval).await.job;
    assert_eq!(world.key(job, "seen").await.unwrap().as_deref(), Some(&b"1"[..]));
    let log = world.logs(interval, None, 0, 9).await.unwrap();
    assert_eq!((log[0].index, log[0].message.as_str()), (Some(TaskIndex(2)), "looked"));
    let notes = world.task_notes(interval, TaskIndex(0), TaskIndex(99)).await.unwrap();
    assert_eq!(notes.keys().map(|index| index.0).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(notes[&TaskIndex(2)].output.as_deref(), Some(&b"result"[..]));
    let reason = |kind: &str| Some((kind.to_owned(), format!("it was {kind}")));
    let (failed, retried) = (&notes[&TaskIndex(1)], &notes[&TaskIndex(3)]);
    assert_eq!((failed.attempts, failed.failure.clone(), failed.retry_at), (1, reason("fatal"), None));
    assert_eq!((retried.attempts, retried.failure.clone(), retried.retry_at), (1, reason("retryable"), Some(at(60))));
}

#[tokio::test]
async fn where_one_segment_is_no_longer_held_nothing_at_all_is_written() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let (kept, lost) = (world.interval_of(owner, 8).await, world.interval_of(owner, 8).await);
    let mut batch = Default::default();
    for interval in [kept, lost] {
        let mut hands = Hands::on(&world, owner, interval, START).await;
        hands.complete(0..8);
        hands.note(0, everything);
        let latchwork::store::Batch { segments, tasks } = hands.batch();
        let latchwork::store::Batch { segments: all_segments, tasks: all_tasks } = &mut batch;
        all_segments.extend(segments);
        all_tasks.extend(tasks);
    }
    world.abandon(lost, "enough", None, START).await.unwrap();

    assert!(is_lease_lost(world.record(owner, &batch, START).await));

    for interval in [kept, lost] {
        assert_eq!(world.completed(interval).await, [0; 0]);
        assert_eq!(world.key(world.view(interval).await.job, "seen").await.unwrap(), None);
        assert!(world.logs(interval, None, 0, 9).await.unwrap().is_empty());
        assert!(world.task_notes(interval, TaskIndex(0), TaskIndex(9)).await.unwrap().is_empty());
    }
    assert_eq!(world.view(kept).await.state, IntervalState::Running);
}

#[tokio::test]
async fn another_owner_cannot_record_for_the_one_who_holds_the_segment() {
    let world = super::new_world().await;
    let (owner, other) = (world.host("a", START).await, world.host("b", START).await);
    let interval = world.interval_of(owner, 8).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.start(2, START);
    hands.complete([0]);
    assert!(is_lease_lost(world.record(other, &hands.batch(), START).await));
    assert_eq!(world.completed(interval).await, [0; 0]);
}

#[tokio::test]
async fn after_its_job_was_deleted_a_record_changes_nothing() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 8).await;
    let job = world.view(interval).await.job;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    world.delete_job(job, START).await.unwrap();
    hands.complete(0..8);
    hands.note(0, everything);
    assert!(is_lease_lost(hands.record(&world).await));
    assert_eq!(world.completed(interval).await, [0; 0]);
    assert_eq!(world.key(job, "seen").await.unwrap(), None);
    assert_eq!(world.view(interval).await.state, IntervalState::Cancelled);
}

#[tokio::test]
async fn who_was_taken_over_by_a_new_start_of_the_same_host_records_nothing() {
    let world = super::new_world().await;
    let old = world.host("a", START).await;
    let interval = world.interval_of(old, 8).await;
    let mut stale = Hands::on(&world, old, interval, START).await;
    stale.start(1, START);
    stale.record(&world).await.unwrap();
    let new = world.host("a", at(1)).await;
    world.resume(interval, 1, 3, at(1)).await.unwrap();
    let mut heir = Hands::on(&world, new, interval, at(1)).await;
    heir.start(8, at(1));
    heir.complete([3]);
    heir.record(&world).await.unwrap();

    stale.complete(0..8);
    stale.note(0, everything);
    assert!(is_lease_lost(stale.record(&world).await));

    assert_eq!(world.completed(interval).await, [3]);
    assert!(world.logs(interval, None, 0, 9).await.unwrap().is_empty());
    heir.complete((0..8).filter(|index| *index != 3));
    assert_eq!(heir.record(&world).await.unwrap().ended.len(), 1, "the heir is not disturbed");
}

#[tokio::test]
async fn a_stage_opens_when_the_last_task_that_it_waits_for_completes() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.fire_job(world.keep(manual_job()).await, START).await;
    world.plan(owner, interval, &stages(&[("fetch", 2, &[]), ("merge", 1, &["fetch"])])).await;
    let mut fetch = Hands::on(&world, owner, interval, START).await;
    fetch.complete([0]);
    assert!(!fetch.record(&world).await.unwrap().has_opened);
    assert!(world.claim(owner, interval, START, 9).await.is_empty());
    fetch.complete([1]);
    assert!(fetch.record(&world).await.unwrap().has_opened);
    let mut merge = Hands::on(&world, owner, interval, START).await;
    assert_eq!(merge.start(9, START), [(2, 1)]);
    merge.complete([2]);
    let job = world.view(interval).await.job;
    assert_eq!(merge.record(&world).await.unwrap().ended, [(interval, job, IntervalState::Succeeded)]);
}

#[tokio::test]
async fn an_interval_ends_with_its_last_task_and_its_counters_stay() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let job = world.keep(manual_job()).await;
    let interval = world.fire_job(job, START).await;
    world.plan(owner, interval, &tasks_only(70)).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.complete((0..70).filter(|index| *index != 5));
    hands.fail(5);
    let batch = hands.batch();
    let recorded = world.record(owner, &batch, at(9)).await.unwrap();
    assert_eq!(recorded.ended, [(interval, job, IntervalState::Failed)]);
    let view = world.view(interval).await;
    assert_eq!(view.counts, Counts { total: 70, completed: 69, failed: 1, running: 0 });
    assert_eq!((view.finished_at, view.reason.as_deref()), (Some(at(9)), Some("1 task failed in stage tasks")));
    assert!(world.job(job).await.unwrap().unwrap().current_interval.is_none());
    assert!(world.open_interval(interval).await.unwrap().is_none());
}

#[tokio::test]
async fn when_an_interval_ends_its_job_shows_the_one_that_is_still_open() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let job = world.keep(manual_job()).await;
    let older = world.fire_job(job, START).await;
    world.plan(owner, older, &tasks_only(1)).await;
    let newer = world.fire_job(job, at(1)).await;
    let current = async || world.job(job).await.unwrap().unwrap().current_interval.map(|current| current.id);
    assert_eq!(current().await, Some(newer));
    world.abandon(newer, "enough", None, at(2)).await.unwrap();
    assert_eq!(current().await, Some(older));
    let mut hands = Hands::on(&world, owner, older, START).await;
    hands.complete([0]);
    hands.record(&world).await.unwrap();
    assert_eq!(current().await, None);
}

#[tokio::test]
async fn what_a_task_left_is_refused_without_a_segment_that_names_the_lease() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let (held, other) = (world.interval_of(owner, 8).await, world.interval_of(owner, 8).await);
    let mut hands = Hands::on(&world, owner, held, START).await;
    hands.complete([0]);
    let mut batch = hands.batch();
    let mut stray = Hands::on(&world, owner, other, START).await;
    stray.note(0, everything);
    batch.tasks = stray.batch().tasks;
    assert!(is_lease_lost(world.record(owner, &batch, START).await));
    assert_eq!(world.completed(held).await, [0; 0]);
    assert!(world.logs(other, None, 0, 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_job_keeps_its_progress_while_it_shows_the_same_interval() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let job = world.keep(manual_job()).await;
    let older = world.fire_job(job, START).await;
    let newer = world.fire_job(job, at(1)).await;
    world.plan(owner, newer, &tasks_only(3)).await;
    world.publish_progress(&[newer]).await.unwrap();
    let current = async || world.job(job).await.unwrap().unwrap().current_interval.unwrap();
    world.abandon(older, "enough", None, at(2)).await.unwrap();
    assert_eq!((current().await.id, current().await.progress.unwrap().total), (newer, 3));
    let latest = world.fire_job(job, at(3)).await;
    assert_eq!(current().await.id, latest);
    assert!(current().await.progress.is_none(), "another interval has its own");
}
