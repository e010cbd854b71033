//! What plugins keep beyond their tasks' bits: checkpoints, events, outputs, and keys within their quota.

use super::is_lease_lost;
use crate::hands::Hands;
use crate::world::{A_LANE, START, World, at, manual_job, tasks_only};
use latchwork::domain::ids::{IncarnationId, IntervalId, JobId, TaskIndex};
use latchwork::domain::key_quota::{KeyUsage, OverQuota};
use latchwork::domain::task::{Event, KeyWrites};
use latchwork::store::{CheckpointSave, Claim, PlanRecord, RefusedKeys, StoreError};

fn save(interval: IntervalId, index: u32, bytes: &[u8]) -> CheckpointSave {
    CheckpointSave { interval, segment: index / 64, index: TaskIndex(index), bytes: bytes.to_vec() }
}

async fn checkpoint(world: &World, interval: IntervalId, index: u32) -> Option<Vec<u8>> {
    world.checkpoint(interval, TaskIndex(index)).await.unwrap()
}

/// The tasks of which a claim says that an earlier attempt saved something.
async fn marked(world: &World, owner: IncarnationId, interval: IntervalId) -> Vec<u32> {
    let claim = Claim { owner, interval, reopened: 0, lanes: A_LANE, limit: 9, now: at(9) };
    let segments = world.claim_segments(claim).await.unwrap();
    segments.iter().flat_map(|segment| segment.checkpoints.iter().map(|index| index.0)).collect()
}

#[tokio::test]
async fn a_checkpoint_is_there_at_once_and_the_latest_counts() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 100).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.start(100, START);
    hands.record(&world).await.unwrap();
    let saves = [save(interval, 1, b"one"), save(interval, 70, b"seventy"), save(interval, 1, b"one more")];
    assert_eq!(world.save_checkpoints(owner, &saves, at(1)).await.unwrap(), [true; 3]);
    let world = world.reopened().await;
    assert_eq!(checkpoint(&world, interval, 1).await.as_deref(), Some(&b"one more"[..]));
    assert_eq!(checkpoint(&world, interval, 70).await.as_deref(), Some(&b"seventy"[..]));
    assert_eq!(checkpoint(&world, interval, 2).await, None);
}

#[tokio::test]
async fn a_checkpoint_of_a_task_whose_segment_another_holds_is_not_kept() {
    let world = super::new_world().await;
    let old = world.host("a", START).await;
    let (interval, other) = (world.interval_of(old, 8).await, world.interval_of(old, 8).await);
    let mut hands = Hands::on(&world, old, interval, START).await;
    hands.start(1, START);
    hands.record(&world).await.unwrap();
    let saves = [save(interval, 0, b"mine"), save(other, 0, b"not claimed"), save(interval, 8, b"no such task")];
    assert_eq!(world.save_checkpoints(old, &saves, at(1)).await.unwrap(), [true, false, false]);

    let new = world.host("a", at(1)).await;
    assert_eq!(world.save_checkpoints(old, &[save(interval, 0, b"ended")], at(1)).await.unwrap(), [false]);
    world.resume(interval, 1, 3, at(1)).await.unwrap();
    assert_eq!(world.save_checkpoints(old, &[save(interval, 0, b"too late")], at(2)).await.unwrap(), [false]);
    assert_eq!(checkpoint(&world, interval, 0).await.as_deref(), Some(&b"mine"[..]));
    assert_eq!(marked(&world, new, interval).await, [0], "the next attempt is told of it");
}

#[tokio::test]
async fn a_checkpoint_goes_with_the_end_of_its_task_and_not_before() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 8).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.start(4, START);
    hands.record(&world).await.unwrap();
    let saves = [0, 1, 2, 3].map(|index| save(interval, index, b"half way"));
    world.save_checkpoints(owner, &saves, at(1)).await.unwrap();
    hands.complete([0]);
    hands.note(0, |task| task.ends_checkpoint = true);
    hands.fail(1);
    hands.note(1, |task| task.ends_checkpoint = true);
    hands.retry(2, at(60));
    hands.record(&world).await.unwrap();
    let mut left = Vec::new();
    for index in 0..4 {
        left.extend(checkpoint(&world, interval, index).await.map(|_| index));
    }
    assert_eq!(left, [2, 3], "the one waits for its retry, the other runs");
    world.abandon(interval, "enough", None, at(2)).await.unwrap();
    assert_eq!(checkpoint(&world, interval, 3).await, None, "nothing of an ended interval is called again");
}

#[tokio::test]
async fn a_poison_task_leaves_no_checkpoint() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 8).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.start(1, START);
    hands.record(&world).await.unwrap();
    world.save_checkpoints(owner, &[save(interval, 0, b"half way")], at(1)).await.unwrap();
    world.host("a", at(1)).await;
    assert_eq!(world.resume(interval, 1, 1, at(1)).await.unwrap().poisoned, [TaskIndex(0)]);
    assert_eq!(checkpoint(&world, interval, 0).await, None);
}

#[tokio::test]
async fn an_output_is_read_by_its_task() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 8).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.complete([0, 1]);
    hands.note(1, |task| task.output = b"result".to_vec());
    hands.record(&world).await.unwrap();
    assert_eq!(world.output(interval, TaskIndex(0)).await.unwrap(), None);
    assert_eq!(world.output(interval, TaskIndex(1)).await.unwrap().as_deref(), Some(&b"result"[..]));
}

fn event(name: &str) -> Event {
    Event { at: at(1), name: name.to_owned(), body: format!("{{\"of\":\"{name}\"}}") }
}

#[tokio::test]
async fn events_come_in_the_order_in_which_they_were_recorded_page_by_page() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.fire_job(world.keep(manual_job()).await, START).await;
    world.claim_pending(owner, START, 9).await.unwrap();
    let planned = PlanRecord { events: vec![event("planned")], ..PlanRecord::default() };
    world.record_plan(owner, interval, &tasks_only(8), planned, START).await.unwrap();
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.complete([5, 2]);
    hands.note(5, |task| task.events = vec![event("first"), event("second")]);
    hands.note(2, |task| task.events = vec![event("third")]);
    hands.record(&world).await.unwrap();

    let all = world.events(interval, 0, 9).await.unwrap();
    let told: Vec<_> = all.iter().map(|event| (event.index.map(|index| index.0), event.name.as_str())).collect();
    assert_eq!(told, [(None, "planned"), (Some(5), "first"), (Some(5), "second"), (Some(2), "third")]);
    assert_eq!((all[0].at, all[0].body.as_str()), (at(1), r#"{"of":"planned"}"#));
    let page = world.events(interval, all[0].id, 2).await.unwrap();
    assert_eq!(page.iter().map(|event| event.id).collect::<Vec<_>>(), [all[1].id, all[2].id]);
    assert!(world.events(interval, all[3].id, 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn events_of_a_record_that_is_refused_are_dropped() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 8).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.complete([0]);
    hands.note(0, |task| task.events = vec![event("lost")]);
    world.host("a", at(1)).await;
    world.resume(interval, 1, 3, at(1)).await.unwrap();
    assert!(is_lease_lost(hands.record(&world).await));
    assert!(world.events(interval, 0, 9).await.unwrap().is_empty());
}

/// A job whose keys may take a hundred bytes.
async fn small_job(world: &World) -> JobId {
    let mut job = manual_job();
    job.spec.work.policy.key_bytes_max = 100;
    world.keep(job).await
}

fn writes<const N: usize>(writes: [(&str, Option<usize>); N]) -> KeyWrites {
    writes.into_iter().map(|(key, bytes)| (key.to_owned(), bytes.map(|bytes| vec![7; bytes]))).collect()
}

async fn usage(world: &World, job: JobId) -> u64 {
    world.key_usage(job, &[]).await.unwrap().total
}

#[tokio::test]
async fn what_keys_take_is_counted_as_they_are_set_replaced_and_removed() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let job = small_job(&world).await;
    let interval = world.fire_job(job, START).await;
    world.plan(owner, interval, &tasks_only(8)).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    let steps = [
        (writes([("a", Some(9)), ("\0b", Some(8))]), 20),
        (writes([("a", Some(99 - 10))]), 100),
        (writes([("a", None), ("none", None)]), 10),
        (writes([("ä", Some(0)), ("\0b", Some(0))]), 4),
    ];
    for (index, (writes, expected)) in (0..).zip(steps) {
        hands.complete([index]);
        hands.note(index, |task| task.keys = writes);
        hands.record(&world).await.unwrap();
        assert_eq!(usage(&world, job).await, expected, "step {index}");
    }
    let of = world.key_usage(job, &["ä".to_owned(), "none".to_owned()]).await.unwrap();
    assert_eq!(of, KeyUsage { total: 4, replaced: 2 });
    world.delete_job(job, at(1)).await.unwrap();
    assert_eq!(usage(&world, job).await, 0);
}

#[tokio::test]
async fn tasks_that_exceed_the_quota_together_are_named_and_nothing_is_written() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let job = small_job(&world).await;
    let interval = world.fire_job(job, START).await;
    world.plan(owner, interval, &tasks_only(8)).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.complete(0..4);
    for (index, key) in [(0, "a"), (1, "b"), (2, "c")] {
        hands.note(index, |task| task.keys = writes([(key, Some(49))]));
    }
    hands.note(3, |task| task.output = b"not concerned".to_vec());
    let mut batch = hands.batch();
    let Err(StoreError::KeysOverQuota(refused)) = world.record(owner, &batch, START).await else { panic!("recorded") };
    let over = OverQuota { bytes: 150, bytes_max: 100 };
    assert_eq!(refused, [RefusedKeys { interval, index: Some(TaskIndex(2)), over }]);
    assert_eq!((usage(&world, job).await, world.completed(interval).await), (0, vec![]));

    batch.tasks[2].refuse(over.into());
    for (_, update) in &mut batch.segments {
        update.refuse(TaskIndex(2));
    }
    world.record(owner, &batch, START).await.unwrap();
    assert_eq!((usage(&world, job).await, world.completed(interval).await), (100, vec![0, 1, 3]));
    assert_eq!(world.key(job, "c").await.unwrap(), None);
    let notes = world.task_notes(interval, TaskIndex(2), TaskIndex(2)).await.unwrap();
    let (kind, message) = notes[&TaskIndex(2)].failure.clone().unwrap();
    assert!(kind == "limit_exceeded" && message.contains("150 bytes") && message.contains("take 100"), "{message}");
}

#[tokio::test]
async fn a_plan_is_held_to_the_quota_too() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let job = small_job(&world).await;
    let interval = world.fire_job(job, START).await;
    world.claim_pending(owner, START, 9).await.unwrap();
    let too_much = || PlanRecord { keys: writes([("a", Some(100))]), ..PlanRecord::default() };
    let Err(StoreError::KeysOverQuota(refused)) =
        world.record_plan(owner, interval, &tasks_only(1), too_much(), START).await
    else {
        panic!("recorded")
    };
    assert_eq!(refused, [RefusedKeys { interval, index: None, over: OverQuota { bytes: 101, bytes_max: 100 } }]);
    assert_eq!((usage(&world, job).await, world.stages(interval).await.unwrap().len()), (0, 0));
    let enough = PlanRecord { keys: writes([("a", Some(99))]), ..PlanRecord::default() };
    world.record_plan(owner, interval, &tasks_only(1), enough, START).await.unwrap();
    assert_eq!(usage(&world, job).await, 100);
}
