//! How hosts share the lanes of an interval.

use crate::hands::Hands;
use crate::world::{A_LANE, START, World, at, firing, manual_job, tasks_only};
use latchwork::domain::ids::{IncarnationId, IntervalId};
use latchwork::domain::interval::Origin;
use latchwork::domain::shares::{LaneAsk, LaneGrant};
use latchwork::store::{Claim, Claimed, MadePlan, PlanRecord};

/// Asks for all of eight lanes, of which some are in use, and for so many segments.
async fn ask(world: &World, owner: IncarnationId, interval: IntervalId, in_use: u32, limit: u32) -> Claimed {
    let lanes = LaneAsk { max: 8, in_use, wanted: 8 };
    let reopened = world.view(interval).await.reopened;
    world.claim_lanes(Claim { owner, interval, reopened, lanes, limit, now: at(1) }).await.unwrap()
}

async fn lanes(world: &World, owner: IncarnationId, interval: IntervalId, in_use: u32, limit: u32) -> u32 {
    ask(world, owner, interval, in_use, limit).await.lanes.lanes
}

/// An interval of so many tasks in segments of eight, of which its planner takes the first two.
async fn planned(world: &World, owner: IncarnationId, tasks: u32) -> IntervalId {
    let interval = world.fire_job(world.keep(manual_job()).await, START).await;
    world.claim_pending(owner, START, 99).await.unwrap();
    let made = MadePlan { interval, plan: tasks_only(tasks), record: PlanRecord::default(), lanes: 8, segments_max: 2 };
    let planned = world.record_plans(owner, &[made], START).await.unwrap().pop().unwrap().unwrap();
    assert_eq!(planned.segments.len(), 2);
    interval
}

#[tokio::test]
async fn whoever_makes_the_plan_has_all_lanes_until_it_gives_some_back() {
    let world = super::new_world().await;
    let (a, b) = (world.host("a", START).await, world.host("b", START).await);
    let interval = planned(&world, a, 100).await;
    let claimed = ask(&world, b, interval, 0, 4).await;
    assert_eq!((claimed.lanes, claimed.segments.len()), (LaneGrant { lanes: 0, fair: 4 }, 0));
    let shares = world.lane_shares(&[interval]).await.unwrap();
    assert_eq!(shares[0].0, interval);
    assert_eq!(shares[0].1.fair(a, LaneAsk { max: 8, in_use: 8, wanted: 8 }, at(2)), 4, "a can see the wish");

    assert_eq!(lanes(&world, a, interval, 6, 0).await, 6);
    let claimed = ask(&world, b, interval, 0, 4).await;
    assert_eq!((claimed.lanes.lanes, claimed.segments.len()), (2, 1), "as many segments as two lanes keep busy");
    assert_eq!(lanes(&world, a, interval, 3, 0).await, 4, "its fair share");
    assert_eq!(lanes(&world, b, interval, 2, 4).await, 4);
}

#[tokio::test]
async fn lanes_go_with_the_last_segment_of_their_host() {
    let world = super::new_world().await;
    let (a, b) = (world.host("a", START).await, world.host("b", START).await);
    let interval = planned(&world, a, 100).await;
    world.give_back(a, &world.held_segments(a).await.unwrap()).await.unwrap();
    // It has asked a second ago and may ask again.
    assert_eq!(lanes(&world, b, interval, 0, 1).await, 4);
    assert_eq!(lanes(&world, a, interval, 8, 1).await, 4, "whoever holds nothing runs nothing, whatever it says");
    for (owner, expected) in [(a, 4), (b, 4)] {
        assert_eq!(lanes(&world, owner, interval, 4, 1).await, expected);
    }
}

#[tokio::test]
async fn lanes_of_a_dead_host_are_taken_when_its_segments_are_and_not_before() {
    let world = super::new_world().await;
    let (dead, heir) = (world.host("a", START).await, world.host("b", at(60)).await);
    let interval = planned(&world, dead, 100).await;
    let ask = |now| Claim {
        owner: heir,
        interval,
        reopened: 0,
        lanes: LaneAsk { max: 8, in_use: 0, wanted: 8 },
        limit: 1,
        now,
    };
    assert_eq!(world.claim_lanes(ask(at(60))).await.unwrap().lanes.lanes, 0, "its tasks may still be running");
    world.resume(interval, 1, 3, at(60)).await.unwrap();
    assert_eq!(world.claim_lanes(ask(at(61))).await.unwrap().lanes.lanes, 8);
}

#[tokio::test]
async fn a_host_that_stops_leaves_its_lanes_and_so_does_the_end_of_an_interval() {
    let world = super::new_world().await;
    let (a, b) = (world.host("a", START).await, world.host("b", START).await);
    let interval = planned(&world, a, 100).await;
    world.end_incarnation(a, at(9)).await.unwrap();
    let claim = |interval, reopened, now| Claim {
        owner: b,
        interval,
        reopened,
        lanes: LaneAsk { max: 8, in_use: 0, wanted: 8 },
        limit: 9,
        now,
    };
    assert_eq!(world.claim_lanes(claim(interval, 0, at(10))).await.unwrap().lanes.lanes, 8);
    world.cancel_interval(interval, "enough", at(11)).await.unwrap();
    assert!(world.lane_shares(&[interval]).await.unwrap().is_empty());
    let ended = world.claim_lanes(claim(interval, 0, at(12))).await.unwrap();
    assert_eq!((ended.lanes, ended.segments.len()), (LaneGrant::default(), 0));
    assert!(world.lane_shares(&[interval]).await.unwrap().is_empty(), "nothing is written of what has ended");
    world.retry_interval(interval, at(13)).await.unwrap();
    let earlier_life = world.claim_lanes(claim(interval, 0, at(14))).await.unwrap();
    assert_eq!((earlier_life.lanes, earlier_life.segments.len()), (LaneGrant::default(), 0));
    assert_eq!(world.claim_lanes(claim(interval, 1, at(14))).await.unwrap().lanes.lanes, 8);
}

#[tokio::test]
async fn a_host_that_died_before_its_plan_was_recorded_gets_no_lanes() {
    let world = super::new_world().await;
    let (dead, b) = (world.host("a", START).await, world.host("b", at(60)).await);
    let interval = world.fire_job(world.keep(manual_job()).await, START).await;
    world.claim_pending(dead, START, 9).await.unwrap();
    let made = MadePlan { interval, plan: tasks_only(9), record: PlanRecord::default(), lanes: 8, segments_max: 9 };
    let planned = world.record_plans(dead, &[made], at(60)).await.unwrap().pop().unwrap().unwrap();
    assert!(planned.segments.is_empty());
    assert!(world.lane_shares(&[interval]).await.unwrap().is_empty());
    assert_eq!(lanes(&world, b, interval, 0, 9).await, 8);
}

#[tokio::test]
async fn lanes_of_many_intervals_are_settled_together_and_each_by_itself() {
    let world = super::new_world().await;
    let (a, b) = (world.host("a", START).await, world.host("b", START).await);
    let mine = planned(&world, a, 100).await;
    let theirs = world.interval_of(b, 200).await;
    Hands::on_some(&world, b, theirs, 1, START).await;
    let ended = firing(world.keep(manual_job()).await, Origin::Trigger, START).firing.interval;
    let claims = [theirs, ended, mine].map(|interval| Claim {
        owner: a,
        interval,
        reopened: 0,
        lanes: LaneAsk { max: 8, in_use: 0, wanted: 8 },
        limit: 1,
        now: START,
    });
    let claimed = world.store.claim_segments(&claims).await.unwrap();
    let lanes: Vec<_> = claimed.into_iter().map(|claimed| claimed.unwrap().lanes.lanes).collect();
    assert_eq!(lanes, [7, 0, 8]);
    let claim = Claim { owner: a, interval: theirs, reopened: 0, lanes: A_LANE, limit: 9, now: START };
    assert!(!world.claim_segments(claim).await.unwrap().is_empty());
}
