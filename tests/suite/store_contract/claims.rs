//! Who works on which segment.

use super::raw;
use crate::hands::Hands;
use crate::world::{A_LANE, START, at, manual_job, tasks_only};
use latchwork::domain::ids::TaskIndex;
use latchwork::domain::worklist::Retry;
use latchwork::store::{Claim, StoreError};

#[tokio::test]
async fn no_segment_is_given_to_two_owners() {
    let world = super::new_world().await;
    let (first, second) = (world.host("a", START).await, world.host("b", START).await);
    let interval = world.interval_of(first, 300).await;
    assert_eq!(world.claim(first, interval, START, 2).await, [0, 1]);
    assert_eq!(world.claim(second, interval, START, 9).await, [2, 3, 4]);
    assert!(world.claim(first, interval, START, 9).await.is_empty());
    assert!(world.claim(second, interval, START, 9).await.is_empty());
}

#[tokio::test]
async fn claims_at_the_same_time_share_the_segments_without_overlap() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 64 * 40).await;
    let mut claims = tokio::task::JoinSet::new();
    for number in 0..8 {
        let (store, owner) = (std::sync::Arc::clone(&world.store), world.host(&format!("host {number}"), START).await);
        claims.spawn(async move {
            let claim = Claim { owner, interval, reopened: 0, lanes: A_LANE, limit: 5, now: START };
            let claimed = store.claim_segments(&[claim]).await.unwrap().pop().unwrap();
            claimed.unwrap().segments.iter().map(|segment| segment.span.number).collect::<Vec<_>>()
        });
    }
    let mut claimed = claims.join_all().await.concat();
    claimed.sort_unstable();
    assert_eq!(claimed, (0..40).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_claim_hands_over_the_segment_as_it_is_and_a_larger_epoch_each_time() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 70).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.complete([65, 69]);
    hands.fail(66);
    hands.record(&world).await.unwrap();
    world.end_incarnation(owner, START).await.unwrap();
    let heir = world.host("b", START).await;
    let claim = Claim { owner: heir, interval, reopened: 0, lanes: A_LANE, limit: 9, now: START };
    let segments = world.claim_segments(claim).await.unwrap();
    let last = &segments[1];
    assert_eq!((last.span.number, last.span.stage, last.span.first, last.span.length, last.epoch), (1, 0, 64, 6, 2));
    assert_eq!(last.progress.done().iter().collect::<Vec<_>>(), [1, 5]);
    assert_eq!(last.progress.failed().iter().collect::<Vec<_>>(), [2]);
    assert_eq!(last.progress.running().count(), 0);
}

#[tokio::test]
async fn a_segment_that_waits_for_a_retry_is_claimable_when_that_is_due() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 2).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.start(2, START);
    hands.complete([0]);
    hands.retry(1, at(10));
    hands.record(&world).await.unwrap();

    assert_eq!(world.next_wake_at().await.unwrap(), Some(at(10)));
    assert!(world.claimable_intervals(at(9), &[], 9).await.unwrap().is_empty());
    assert!(world.claim(owner, interval, at(9), 9).await.is_empty());
    assert_eq!(world.claimable_intervals(at(10), &[], 9).await.unwrap(), [interval]);
    let claim = Claim { owner, interval, reopened: 0, lanes: A_LANE, limit: 9, now: at(10) };
    let segments = world.claim_segments(claim).await.unwrap();
    assert_eq!(segments[0].retries, [(TaskIndex(1), Retry { attempts: 1, due_at: at(10) })].into());
    assert_eq!(world.next_wake_at().await.unwrap(), None);
}

#[tokio::test]
async fn a_retry_that_has_succeeded_is_not_handed_over_again() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 3).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.start(3, START);
    hands.retry(1, at(1));
    hands.record(&world).await.unwrap();
    assert_eq!(hands.start(9, at(1)), [(1, 2)]);
    hands.complete([1]);
    hands.record(&world).await.unwrap();
    world.end_incarnation(owner, at(2)).await.unwrap();
    let heir = world.host("b", at(2)).await;
    let mut hands = Hands::on(&world, heir, interval, at(2)).await;
    assert_eq!(hands.start(9, at(2)), [(0, 1), (2, 1)]);
}

#[tokio::test]
async fn intervals_with_something_to_claim_are_listed_from_the_longest_waiting() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let job = world.keep(manual_job()).await;
    let mut intervals = Vec::new();
    for fired_at in [at(3), at(1), at(2)] {
        let interval = world.fire_job(job, fired_at).await;
        intervals.push(interval);
    }
    world.claim_pending(owner, at(3), 9).await.unwrap();
    for interval in &intervals {
        assert!(!world.claimable_intervals(at(4), &[], 9).await.unwrap().contains(interval), "it has no plan yet");
        world.record_plan(owner, *interval, &tasks_only(1), crate::world::no_writes(), at(4)).await.unwrap();
    }
    let [third, first, second] = intervals[..] else { panic!("three intervals") };
    assert_eq!(world.claimable_intervals(at(4), &[], 9).await.unwrap(), [first, second, third]);
    assert_eq!(world.claimable_intervals(at(4), &[], 2).await.unwrap(), [first, second]);
    world.claim(owner, first, at(4), 9).await;
    assert_eq!(world.claimable_intervals(at(4), &[], 9).await.unwrap(), [second, third]);
    world.abandon(second, "enough", None, at(5)).await.unwrap();
    assert_eq!(world.claimable_intervals(at(5), &[], 9).await.unwrap(), [third]);
    assert!(world.claim(owner, second, at(5), 9).await.is_empty(), "an interval that has ended is over");
}

#[tokio::test]
async fn the_dead_claim_nothing() {
    let world = super::new_world().await;
    let (dead, expired) = (world.host("a", START).await, world.host("b", START).await);
    let living = world.host("a", at(30)).await;
    let interval = world.interval_of(living, 8).await;
    let pending = world.fire_job(world.keep(manual_job()).await, START).await;
    for owner in [dead, expired] {
        let claim = Claim { owner, interval, reopened: 0, lanes: A_LANE, limit: 9, now: at(30) };
        assert!(matches!(world.claim_segments(claim).await, Err(StoreError::LeaseLost(lost)) if lost == owner));
        assert!(world.claim_pending(owner, at(30), 9).await.unwrap().is_empty());
    }
    assert_eq!(world.claim(living, interval, at(30), 9).await, [0]);
    assert_eq!(world.claim_pending(living, at(30), 9).await.unwrap(), [pending]);
}

#[tokio::test]
async fn claims_that_share_a_commit_are_answered_in_their_order_and_a_damaged_interval_fails_alone() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let (sound, damaged, other) =
        (world.interval_of(owner, 70).await, world.interval_of(owner, 1).await, world.interval_of(owner, 1).await);
    let damage = sqlx::query("update segments set done = $1 where interval_id = $2").bind(vec![0xff_u8, 0xff]);
    damage.bind(damaged.to_string()).execute(&mut raw(&world).await).await.unwrap();
    let claims = [sound, damaged, other].map(|interval| Claim {
        owner,
        interval,
        reopened: 0,
        lanes: A_LANE,
        limit: 9,
        now: START,
    });
    let claimed = world.store.claim_segments(&claims).await.unwrap();
    let counts: Vec<_> =
        claimed.iter().map(|claimed| claimed.as_ref().map(|claimed| claimed.segments.len()).ok()).collect();
    assert_eq!(counts, [Some(2), None, Some(1)]);
    assert!(matches!(claimed[1], Err(StoreError::Unreadable { .. })));
    assert_eq!(world.claimable_intervals(START, &[], 9).await.unwrap(), [damaged], "none of its segments was taken");
}
