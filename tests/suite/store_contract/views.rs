//! Intervals, their tasks and their logs as people see them.

use crate::hands::Hands;
use crate::world::{START, at, manual_job, stages, tasks_only};
use latchwork::domain::ids::{IntervalId, TaskIndex};
use latchwork::domain::job::Counts;
use latchwork::domain::task::{LogLevel, LogLine};

fn line(message: &str) -> LogLine {
    LogLine { at: at(1), level: LogLevel::Error, message: message.to_owned() }
}
use latchwork::store::HeldInterval;

#[tokio::test]
async fn the_intervals_of_a_job_are_listed_from_the_newest() {
    let world = super::new_world().await;
    let (job, other) = (world.keep(manual_job()).await, world.keep(manual_job()).await);
    let [second, third, first] =
        [world.fire_job(job, at(2)).await, world.fire_job(job, at(3)).await, world.fire_job(job, at(1)).await];
    world.fire_job(other, at(4)).await;
    let ids =
        async |limit| world.intervals_of(job, limit).await.unwrap().iter().map(|record| record.id).collect::<Vec<_>>();
    assert_eq!(ids(9).await, [third, second, first]);
    assert_eq!(ids(2).await, [third, second]);
    assert!(world.interval(IntervalId::generate()).await.unwrap().is_none());
}

#[tokio::test]
async fn stages_count_their_own_tasks() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.fire_job(world.keep(manual_job()).await, START).await;
    world.plan(owner, interval, &stages(&[("left", 70, &[]), ("right", 70, &[]), ("end", 1, &["left"])])).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.complete((0..64).chain([70]));
    hands.fail(139);
    hands.record(&world).await.unwrap();
    let counts: Vec<_> = world
        .stages(interval)
        .await
        .unwrap()
        .iter()
        .map(|stage| (stage.completed, stage.failed, stage.unsettled_segments, stage.is_open))
        .collect();
    assert_eq!(counts, [(64, 0, 1, true), (1, 1, 2, true), (0, 0, 1, false)]);
}

#[tokio::test]
async fn segments_are_paged_from_the_one_that_holds_an_index() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 200).await;
    let firsts = async |from, limit| {
        let segments = world.segments(interval, TaskIndex(from), limit).await.unwrap();
        segments.iter().map(|segment| (segment.first, segment.progress.length())).collect::<Vec<_>>()
    };
    assert_eq!(firsts(0, 9).await, [(0, 64), (64, 64), (128, 64), (192, 8)]);
    assert_eq!(firsts(63, 2).await, [(0, 64), (64, 64)]);
    assert_eq!(firsts(64, 1).await, [(64, 64)]);
    assert_eq!(firsts(199, 9).await, [(192, 8)]);
    assert_eq!(firsts(200, 9).await, []);
}

#[tokio::test]
async fn notes_are_given_for_the_wanted_indices_and_join_failure_and_output() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 50).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.start(50, START);
    for index in [10, 20, 30] {
        hands.retry(index, at(1));
    }
    hands.record(&world).await.unwrap();
    assert_eq!(hands.start(1, at(1)), [(10, 2)]);
    hands.complete([10]);
    hands.note(10, |task| {
        task.attempt = 2;
        task.output = b"at last".to_vec();
    });
    hands.record(&world).await.unwrap();
    let notes = world.task_notes(interval, TaskIndex(10), TaskIndex(20)).await.unwrap();
    assert_eq!(notes.keys().map(|index| index.0).collect::<Vec<_>>(), [10, 20]);
    let note = &notes[&TaskIndex(10)];
    assert_eq!((note.attempts, note.output.as_deref()), (1, Some(&b"at last"[..])), "one attempt failed");
}

#[tokio::test]
async fn log_lines_are_read_in_order_by_page_and_by_task() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 50).await;
    let other = world.interval_of(owner, 50).await;
    for interval in [other, interval] {
        let mut hands = Hands::on(&world, owner, interval, START).await;
        hands.complete([7, 8]);
        hands.note(7, |task| task.log = vec![line("one"), line("two")]);
        hands.note(8, |task| task.log = vec![line("three")]);
        hands.note(7, |task| task.log = vec![line("four")]);
        hands.record(&world).await.unwrap();
    }
    let read = async |index: Option<u32>, after, limit| {
        let lines = world.logs(interval, index.map(TaskIndex), after, limit).await.unwrap();
        (lines.iter().map(|line| line.message.clone()).collect::<Vec<_>>(), lines.last().map_or(after, |line| line.id))
    };
    let (page, last) = read(None, 0, 3).await;
    assert_eq!(page, ["one", "two", "three"]);
    assert_eq!(read(None, last, 3).await.0, ["four"]);
    let (page, last) = read(Some(7), 0, 2).await;
    assert_eq!(page, ["one", "two"]);
    assert_eq!(read(Some(7), last, 9).await.0, ["four"]);
    let first = &world.logs(interval, Some(TaskIndex(8)), 0, 1).await.unwrap()[0];
    assert_eq!((first.index, first.attempt, first.at, first.level.as_str()), (Some(TaskIndex(8)), 1, at(1), "error"));
}

#[tokio::test]
async fn a_jobs_progress_is_what_was_published_last() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let job = world.keep(manual_job()).await;
    let interval = world.fire_job(job, START).await;
    world.plan(owner, interval, &tasks_only(100)).await;
    let ended = world.interval_of(owner, 0).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.start(4, START);
    hands.complete([0, 1]);
    hands.fail(2);
    hands.record(&world).await.unwrap();
    let progress = async || world.job(job).await.unwrap().unwrap().current_interval.unwrap().progress;
    assert_eq!(progress().await, None);
    world.publish_progress(&[ended, interval]).await.unwrap();
    assert_eq!(progress().await, Some(Counts { total: 100, completed: 2, failed: 1, running: 1 }));
}

#[tokio::test]
async fn those_that_have_ended_are_told_from_those_that_go_on() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let [open, cancelled, succeeded] =
        [world.interval_of(owner, 1).await, world.interval_of(owner, 1).await, world.interval_of(owner, 0).await];
    world.delete_job(world.view(cancelled).await.job, at(1)).await.unwrap();
    let mut ended = world
        .ended_among(&[open, cancelled, succeeded].map(|id| HeldInterval { id, reopened: Some(0) }))
        .await
        .unwrap();
    ended.sort_unstable();
    assert_eq!(ended, [cancelled, succeeded]);
    assert!(world.ended_among(&[]).await.unwrap().is_empty());
}
