//! What a host can ask when the answer to a write was lost.

use crate::hands::Hands;
use crate::world::{START, at};
use latchwork::domain::ids::SegmentId;
use latchwork::domain::interval::IntervalState;
use latchwork::domain::task::{LogLevel, LogLine};
use latchwork::store::{Batch, Retrial};

#[tokio::test]
async fn a_batch_is_known_to_be_recorded_once_it_is_and_not_before() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 100).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    for round in 0..3 {
        hands.start(2, START);
        hands.complete([2 * round, 2 * round + 1]);
        hands.note(2 * round, |task| {
            task.log = vec![LogLine { at: START, level: LogLevel::Info, message: "once".to_owned() }];
        });
        let batch = hands.batch();
        assert!(world.recorded_before(owner, &batch).await.unwrap().is_none(), "not yet");
        world.record(owner, &batch, START).await.unwrap();
        let recorded = world.recorded_before(owner, &batch).await.unwrap().expect("it is recorded");
        assert!(recorded.ended.is_empty());
    }
}

#[tokio::test]
async fn a_batch_that_let_its_segments_go_is_known_too_and_so_is_the_end_that_it_led_to() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 70).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.start(70, START);
    hands.complete(0..69);
    hands.retry(69, at(9));
    let batch = hands.batch();
    world.record(owner, &batch, START).await.unwrap();
    assert!(super::is_lease_lost(world.record(owner, &batch, START).await), "written again, it would seem lost");
    assert!(world.recorded_before(owner, &batch).await.unwrap().is_some());

    let mut hands = Hands::on(&world, owner, interval, at(9)).await;
    assert!(world.recorded_before(owner, &batch).await.unwrap().is_some(), "also when it is held again");
    hands.start(1, at(9));
    hands.complete([69]);
    let batch = hands.batch();
    assert!(world.recorded_before(owner, &batch).await.unwrap().is_none());
    world.record(owner, &batch, at(9)).await.unwrap();
    let ended = world.recorded_before(owner, &batch).await.unwrap().unwrap().ended;
    assert_eq!(
        ended.iter().map(|(id, _, state)| (*id, *state)).collect::<Vec<_>>(),
        [(interval, IntervalState::Succeeded)]
    );
}

#[tokio::test]
async fn what_another_host_has_written_since_is_not_taken_for_ones_own() {
    let world = super::new_world().await;
    let dead = world.host("a", START).await;
    let interval = world.interval_of(dead, 10).await;
    let mut hands = Hands::on(&world, dead, interval, START).await;
    hands.start(2, START);
    hands.complete([0]);
    let lost = hands.batch();
    world.resume(interval, 1, 3, at(20)).await.unwrap();
    let heir = world.host("b", at(20)).await;
    let mut others = Hands::on(&world, heir, interval, at(20)).await;
    others.start(3, at(20));
    others.record(&world).await.unwrap();
    assert!(world.recorded_before(dead, &lost).await.unwrap().is_none());
    assert!(super::is_lease_lost(world.record(dead, &lost, at(20)).await));
}

#[tokio::test]
async fn a_segment_that_has_passed_on_says_nothing_of_the_others_of_its_batch() {
    let world = super::new_world().await;
    let (owner, other) = (world.host("a", START).await, world.host("b", START).await);
    let (reopened, kept) = (world.interval_of(owner, 10).await, world.interval_of(owner, 10).await);
    let mut batch = Batch::default();
    for interval in [reopened, kept] {
        let mut hands = Hands::on(&world, owner, interval, START).await;
        hands.start(2, START);
        hands.complete([0]);
        let part = hands.batch();
        batch.segments.extend(part.segments);
        batch.tasks.extend(part.tasks);
    }
    world.cancel_interval(reopened, "a new life", START).await.unwrap();
    assert_eq!(world.retry_interval(reopened, START).await.unwrap(), Retrial::Reopened);
    let mut others = Hands::on(&world, other, reopened, START).await;
    for _ in 0..2 {
        others.start(1, START);
        others.record(&world).await.unwrap();
    }
    assert!(world.recorded_before(owner, &batch).await.unwrap().is_none(), "none of it is written");
    let lost = Batch { segments: vec![batch.segments[0].clone()], ..Batch::default() };
    assert!(world.recorded_before(owner, &lost).await.unwrap().is_none(), "nor is what another writes now");
    assert!(super::is_lease_lost(world.record(owner, &lost, START).await));
    batch.segments.retain(|(interval, _)| *interval == kept);
    batch.tasks.retain(|task| task.interval == kept);
    world.record(owner, &batch, START).await.unwrap();
    assert!(world.recorded_before(owner, &batch).await.unwrap().is_some());
}

#[tokio::test]
async fn segments_are_given_back_by_whoever_holds_them_and_only_those() {
    let world = super::new_world().await;
    let (owner, other) = (world.host("a", START).await, world.host("b", START).await);
    let interval = world.interval_of(owner, 200).await;
    world.claim(owner, interval, START, 2).await;
    world.claim(other, interval, START, 1).await;
    let segment = |number| SegmentId { interval, number };
    assert_eq!(world.held_segments(owner).await.unwrap(), [segment(0), segment(1)]);
    world.give_back(owner, &[segment(1), segment(2), segment(3)]).await.unwrap();
    assert_eq!(world.held_segments(owner).await.unwrap(), [segment(0)]);
    assert_eq!(world.held_segments(other).await.unwrap(), [segment(2)]);
    assert_eq!(world.claim(owner, interval, START, 9).await, [1, 3]);
}

#[tokio::test]
async fn tasks_that_were_in_flight_in_a_segment_that_is_given_back_are_duplicates() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 10).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.start(4, START);
    hands.complete([0]);
    hands.record(&world).await.unwrap();
    world.give_back(owner, &[SegmentId { interval, number: 0 }]).await.unwrap();
    let view = world.view(interval).await;
    assert_eq!((view.duplicates, view.counts.completed, view.counts.running), (3, 1, 0));
    let again = Hands::on(&world, owner, interval, START).await.start(3, START);
    assert_eq!(again, [(1, 1), (2, 1), (3, 1)]);
}
