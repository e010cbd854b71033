//! What is committed stays, through restarts and through versions of the schema.

use super::tables;
use crate::hands::Hands;
use crate::world::{START, at, every, job_on, manual_job, tasks_only};
use latchwork::domain::ids::TaskIndex;

#[tokio::test]
async fn what_was_recorded_is_there_after_the_store_was_opened_again() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 100).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.start(4, START);
    hands.complete([0, 2]);
    hands.note(2, |task| task.output = b"result".to_vec());
    hands.record(&world).await.unwrap();

    let world = world.reopened().await;

    assert_eq!(world.completed(interval).await, [0, 2]);
    assert_eq!(world.counts(interval).await.running, 2);
    let notes = world.task_notes(interval, TaskIndex(2), TaskIndex(2)).await.unwrap();
    assert_eq!(notes[&TaskIndex(2)].output.as_deref(), Some(&b"result"[..]));
    world.host("a", at(1)).await;
    assert_eq!(world.resume(interval, 1, 3, at(1)).await.unwrap().duplicates, 2);
}

#[tokio::test]
async fn rows_and_what_refers_to_them_go_through_a_version_back_and_forth() {
    let world = super::new_world().await;
    let (manual, cron) = (world.keep(manual_job()).await, world.keep(job_on(every(10))).await);
    let owner = world.host("a", START).await;
    let interval = world.fire_job(manual, START).await;
    world.plan(owner, interval, &tasks_only(9)).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.start(3, START);
    hands.complete([1]);
    hands.note(1, |task| {
        task.output = b"result".to_vec();
        task.keys.insert("key".to_owned(), Some(b"value".to_vec()));
    });
    hands.record(&world).await.unwrap();
    let before = (format!("{:?}", world.jobs().await.unwrap()), world.view(interval).await);

    let world = world.closed();
    while world.revert().await.as_deref() != Some("operations") {}
    let world = world.opened().await;

    let after = (format!("{:?}", world.jobs().await.unwrap()), world.view(interval).await);
    assert_eq!(format!("{after:?}"), format!("{before:?}"));
    assert_eq!(world.completed(interval).await, [1]);
    assert_eq!(world.key(manual, "key").await.unwrap().as_deref(), Some(&b"value"[..]));
    assert_eq!(world.key_usage(manual, &[]).await.unwrap().total, 8, "what keys take is counted anew");
    assert_eq!(world.due_jobs(at(10), 9).await.unwrap()[0].job.id, cron);
    assert_eq!(super::broken_references(&world).await, 0, "rows refer to rows that are gone");
}

#[tokio::test]
async fn the_schema_goes_back_and_forth_without_leaving_anything() {
    let world = super::new_world().await;
    let whole = tables(&world).await;
    let closed = world.closed();
    while let Some(name) = closed.revert().await {
        assert!(!name.is_empty());
    }
    let world = closed.opened().await;
    assert_eq!(tables(&world).await, whole);
    assert!(world.jobs().await.unwrap().is_empty() && world.plugins().await.unwrap().is_empty());
}
