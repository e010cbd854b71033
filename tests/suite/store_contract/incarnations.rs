//! Starts, heartbeats and ends of hosts.

use super::{HAS_CLOCK, is_lease_lost};
use crate::hands::Hands;
use crate::world::{START, at, manual_job};
use latchwork::clock::{Clock as _, SystemClock};
use latchwork::domain::host::HostProfile;
use latchwork::domain::ids::IncarnationId;
use latchwork::domain::lease::LEASE_FOR;
use latchwork::domain::timestamp::Timestamp;
use latchwork::store::Incarnation;

#[tokio::test]
async fn a_new_start_of_a_host_ends_its_earlier_ones_and_no_others() {
    let world = super::new_world().await;
    let (first, other) = (world.host("a", START).await, world.host("b", START).await);
    let second = world.host("a", at(1)).await;
    assert!(is_lease_lost(world.renew_incarnation(first, at(2)).await));
    world.renew_incarnation(second, at(2)).await.unwrap();
    world.renew_incarnation(other, at(2)).await.unwrap();
}

#[tokio::test]
async fn a_start_whose_answer_was_lost_may_be_told_again() {
    let world = super::new_world().await;
    let (id, profile) = (IncarnationId::generate(), HostProfile::default());
    let incarnation = Incarnation { id, host_id: "a".to_owned(), started_at: START, profile };
    world.begin_incarnation(&incarnation).await.unwrap();
    world.begin_incarnation(&incarnation).await.unwrap();
    world.renew_incarnation(id, at(1)).await.unwrap();
}

#[tokio::test]
async fn an_incarnation_that_ended_cannot_renew() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    world.end_incarnation(owner, at(1)).await.unwrap();
    assert!(is_lease_lost(world.renew_incarnation(owner, at(2)).await));
}

#[tokio::test]
async fn a_lease_runs_from_its_last_renewal() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 8).await;
    Hands::on(&world, owner, interval, START).await;
    world.renew_incarnation(owner, at(20)).await.unwrap();
    assert!(world.interrupted_intervals(at(20) + LEASE_FOR).await.unwrap().is_empty());
    let dead = world.interrupted_intervals(at(21) + LEASE_FOR).await.unwrap();
    assert_eq!(dead.iter().map(|dead| dead.id).collect::<Vec<_>>(), [interval]);
}

#[tokio::test]
async fn a_renewal_that_arrives_behind_a_later_one_does_not_shorten_the_lease() {
    if !HAS_CLOCK {
        // One host at a time, whose renewals follow one another.
        return;
    }
    let world = super::new_world().await;
    let now = SystemClock.now();
    let owner = world.host("a", now).await;
    let interval = world.interval_of(owner, 8).await;
    Hands::on(&world, owner, interval, now).await;
    world.renew_incarnation(owner, now).await.unwrap();
    let long_ago = Timestamp::from_ms(now.ms() - 60_000);
    world.renew_incarnation(owner, long_ago).await.unwrap();
    assert!(world.interrupted_intervals(now + LEASE_FOR).await.unwrap().is_empty());
}

#[tokio::test]
async fn whose_lease_ran_out_may_renew_until_another_host_has_taken_over() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 8).await;
    Hands::on(&world, owner, interval, START).await;
    world.renew_incarnation(owner, at(60)).await.unwrap();
    world.resume(interval, 1, 3, at(120)).await.unwrap();
    assert!(is_lease_lost(world.renew_incarnation(owner, at(121)).await));
}

#[tokio::test]
async fn a_host_that_stops_gives_back_its_segments_and_counts_only_what_it_let_go() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 200).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.start(5, START);
    hands.complete(0..2);
    hands.record(&world).await.unwrap();

    world.end_incarnation(owner, at(1)).await.unwrap();

    let view = world.view(interval).await;
    assert_eq!((view.duplicates, view.recovery_attempts, view.counts.running), (3, 0, 0));
    assert!(world.interrupted_intervals(at(2)).await.unwrap().is_empty());
    let heir = world.host("b", at(1)).await;
    let mut hands = Hands::on(&world, heir, interval, at(2)).await;
    let rest: Vec<_> = (2..200).map(|index| (index, 1)).collect();
    assert_eq!(hands.start(300, at(2)), rest, "what had completed does not begin again");
}

#[tokio::test]
async fn what_is_untracked_stays_with_a_host_that_stops() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.untracked_interval_of(owner, 8).await;
    Hands::on(&world, owner, interval, START).await;
    world.end_incarnation(owner, at(1)).await.unwrap();
    let heir = world.host("b", at(1)).await;
    assert!(Hands::on(&world, heir, interval, at(2)).await.is_empty());
    let dead = world.interrupted_intervals(at(2)).await.unwrap();
    assert_eq!((dead[0].id, dead[0].casualty.is_recoverable), (interval, false));
}

#[tokio::test]
async fn a_plan_that_a_stopped_host_was_making_is_made_by_another() {
    let world = super::new_world().await;
    let (owner, heir) = (world.host("a", START).await, world.host("b", START).await);
    let interval = world.fire_job(world.keep(manual_job()).await, START).await;
    assert_eq!(world.claim_pending(owner, START, 9).await.unwrap(), [interval]);
    world.end_incarnation(owner, at(1)).await.unwrap();
    assert_eq!(world.claim_pending(heir, at(1), 9).await.unwrap(), [interval]);
}
