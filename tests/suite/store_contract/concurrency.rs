//! What many hosts do at once. Each test lets the same instant come many times over, as no order of it is certain.

use super::{is_lease_lost, new_world};
use crate::hands::Hands;
use crate::mill::fires;
use crate::world::{START, World, at, every, job_on, manual_job, tasks_only};
use futures::future::{join, join_all};
use latchwork::domain::host::HostProfile;
use latchwork::domain::ids::{IncarnationId, IntervalId, TaskIndex};
use latchwork::domain::interval::IntervalState;
use latchwork::domain::shares::LaneAsk;
use latchwork::domain::task::Event;
use latchwork::store::{Cancellation, Claim, Incarnation, StoreError};
use std::time::Duration;

/// How often each instant comes.
const ROUNDS: u64 = 12;

/// Tasks of a segment, in intervals as small as these.
const SEGMENT: u32 = 64;

async fn hosts<const N: usize>(world: &World) -> [IncarnationId; N] {
    let mut hosts = Vec::new();
    for number in 0..N {
        hosts.push(world.host(&format!("host {number}"), START).await);
    }
    hosts.try_into().expect("as many as asked for")
}

/// What a host has of one segment.
async fn one_segment(world: &World, owner: IncarnationId, interval: IntervalId) -> Hands {
    Hands::on_some(world, owner, interval, 1, START).await
}

fn event(index: u32) -> Event {
    Event { at: START, name: format!("task {index}"), body: "{}".to_owned() }
}

#[tokio::test]
async fn hosts_that_finish_the_last_segments_together_end_the_interval_once() {
    let world = new_world().await;
    let hosts: [_; 3] = hosts(&world).await;
    for round in 0..ROUNDS {
        let interval = world.interval_of(hosts[0], 3 * SEGMENT).await;
        let mut batches = Vec::new();
        for (owner, first) in hosts.into_iter().zip((0..).step_by(SEGMENT as usize)) {
            let mut hands = one_segment(&world, owner, interval).await;
            hands.complete(first..first + SEGMENT);
            batches.push((owner, hands.batch()));
        }
        let records = batches.iter().map(|(owner, batch)| world.record(*owner, batch, at(1)));
        let ended: Vec<_> = join_all(records).await.into_iter().flat_map(|recorded| recorded.unwrap().ended).collect();
        assert_eq!(ended.len(), 1, "round {round}");
        let view = world.view(interval).await;
        assert_eq!((view.state, view.counts.completed), (IntervalState::Succeeded, u64::from(3 * SEGMENT)));
        assert_eq!(world.job(view.job).await.unwrap().unwrap().current_interval.map(|current| current.id), None);
    }
}

#[tokio::test]
async fn schedulers_that_find_the_same_job_due_fire_it_once() {
    let world = new_world().await;
    let jobs = [world.keep(job_on(every(10))).await, world.keep(job_on(every(10))).await];
    for round in 1..=ROUNDS {
        // Two name the jobs in one order and two in the other.
        let decisions: Vec<_> = (0..4)
            .map(|scheduler| {
                let mut decisions = jobs.map(|job| fires(job, at(10 * round))).to_vec();
                decisions.rotate_left(scheduler % 2);
                decisions
            })
            .collect();
        let fired = join_all(decisions.iter().map(|decisions| world.fire(decisions))).await;
        let fired: Vec<_> = fired.into_iter().flat_map(|fired| fired.unwrap()).collect();
        assert_eq!(fired.iter().filter(|fired| **fired).count(), 2, "round {round}: {fired:?}");
        for job in jobs {
            assert_eq!(world.intervals_of(job, 99).await.unwrap().len() as u64, round);
        }
    }
}

#[tokio::test]
async fn hosts_that_look_for_plans_to_make_share_them() {
    let world = new_world().await;
    let hosts: [_; 4] = hosts(&world).await;
    let job = world.keep(manual_job()).await;
    let mut fired = Vec::new();
    for _ in 0..40 {
        fired.push(world.fire_job(job, START).await);
    }
    let mut taken = Vec::new();
    while taken.len() < fired.len() {
        let claims = join_all(hosts.iter().map(|owner| world.claim_pending(*owner, START, 4))).await;
        let all: Vec<_> = claims.into_iter().flat_map(|claimed| claimed.unwrap()).collect();
        assert!(all.len() > taken.len(), "somebody takes something");
        taken = all;
    }
    taken.sort_unstable();
    fired.sort_unstable();
    assert_eq!(taken, fired, "nothing is taken twice");
}

#[tokio::test]
async fn a_host_that_is_ended_while_it_records_leaves_all_of_it_or_nothing() {
    let world = new_world().await;
    for round in 0..ROUNDS {
        let owner = world.host("a", at(round)).await;
        let interval = world.interval_of(owner, SEGMENT).await;
        let mut hands = one_segment(&world, owner, interval).await;
        hands.complete(0..5);
        hands.note(0, |task| task.events = vec![event(0)]);
        hands.note(1, |task| task.output = b"result".to_vec());
        let batch = hands.batch();
        let taken_over = async {
            let id = IncarnationId::generate();
            world
                .begin_incarnation(&Incarnation {
                    id,
                    host_id: "a".to_owned(),
                    started_at: at(round),
                    profile: HostProfile::default(),
                })
                .await
                .unwrap();
            world.resume(interval, 1, 3, at(round)).await.unwrap();
            world.completed(interval).await
        };
        let (recorded, found) = join(world.record(owner, &batch, at(round)), taken_over).await;
        let left = (
            world.completed(interval).await.len(),
            world.events(interval, 0, 9).await.unwrap().len(),
            world.output(interval, TaskIndex(1)).await.unwrap().is_some(),
        );
        match recorded {
            Ok(_) => assert_eq!((left, found.len()), ((5, 1, true), 5), "round {round}"),
            Err(StoreError::LeaseLost(_)) => assert_eq!((left, found.len()), ((0, 0, false), 0), "round {round}"),
            Err(error) => panic!("round {round}: {error}"),
        }
    }
}

#[tokio::test]
async fn an_interval_that_is_cancelled_while_hosts_claim_and_record_is_nobodys_and_counts_what_its_bits_say() {
    let world = new_world().await;
    let hosts: [_; 3] = hosts(&world).await;
    for round in 0..ROUNDS {
        let interval = world.interval_of(hosts[0], 4 * SEGMENT).await;
        let mut hands = one_segment(&world, hosts[0], interval).await;
        hands.complete(0..9);
        let batch = hands.batch();
        let claims = join(world.claim(hosts[1], interval, START, 1), world.claim(hosts[2], interval, START, 9));
        let works = join(world.record(hosts[0], &batch, at(1)), claims);
        let (cancelled, (recorded, _)) = join(world.cancel_interval(interval, "enough", at(1)), works).await;
        assert!(matches!(cancelled.unwrap(), Cancellation::Cancelled(_)));
        let view = world.view(interval).await;
        let expected = if is_lease_lost(recorded) { 0 } else { 9 };
        assert_eq!((view.counts.completed, world.completed(interval).await.len()), (expected, expected as usize));
        for owner in hosts {
            assert_eq!(world.held_segments(owner).await.unwrap(), [], "round {round}");
        }
    }
}

#[tokio::test]
async fn keys_that_many_hosts_write_are_counted_to_the_byte_and_held_to_the_quota() {
    let world = new_world().await;
    let hosts: [_; 4] = hosts(&world).await;
    let mut job = manual_job();
    job.spec.work.policy.key_bytes_max = 120;
    let job = world.keep(job).await;
    let interval = world.fire_job(job, START).await;
    world.plan(hosts[0], interval, &tasks_only(4 * SEGMENT)).await;
    let mut batches = Vec::new();
    for (owner, first) in hosts.into_iter().zip((0..).step_by(SEGMENT as usize)) {
        let mut hands = one_segment(&world, owner, interval).await;
        hands.complete([first]);
        hands.note(first, |task| {
            task.keys.insert(format!("key {first:>6}"), Some(vec![7; 30]));
        });
        batches.push((owner, hands.batch()));
    }
    let recorded = join_all(batches.iter().map(|(owner, batch)| world.record(*owner, batch, START))).await;
    let kept = recorded.iter().filter(|recorded| recorded.is_ok()).count();
    let refused = recorded.iter().filter(|recorded| matches!(recorded, Err(StoreError::KeysOverQuota(_)))).count();
    assert_eq!((kept, refused), (3, 1), "{recorded:?}");
    assert_eq!(world.key_usage(job, &[]).await.unwrap().total, 120);
}

#[tokio::test]
async fn whoever_reads_events_while_many_hosts_tell_misses_none() {
    let world = new_world().await;
    let hosts: [_; 4] = hosts(&world).await;
    let interval = world.interval_of(hosts[0], 4 * SEGMENT).await;
    let mut all_hands = Vec::new();
    for (owner, first) in hosts.into_iter().zip((0..).step_by(SEGMENT as usize)) {
        all_hands.push((first, one_segment(&world, owner, interval).await));
    }
    let tell = async {
        let telling = all_hands.iter_mut().map(|(first, hands)| async {
            for index in *first..*first + 20 {
                hands.complete([index]);
                hands.note(index, |task| task.events = vec![event(index)]);
                hands.record(&world).await.unwrap();
            }
        });
        join_all(telling).await;
    };
    let read = async {
        let (mut cursor, mut seen) = (0, Vec::new());
        while seen.len() < 80 {
            let page = world.events(interval, cursor, 7).await.unwrap();
            cursor = page.last().map_or(cursor, |event| event.id);
            seen.extend(page.into_iter().map(|event| event.id));
            let told = world.events(interval, 0, 99).await.unwrap();
            let missed = told.iter().filter(|event| event.id <= cursor && !seen.contains(&event.id)).count();
            assert_eq!(missed, 0, "events appeared behind one that was seen");
        }
    };
    join(tell, read).await;
}

#[tokio::test]
async fn two_starts_of_one_host_leave_one_of_them_alive() {
    let world = new_world().await;
    for round in 0..ROUNDS {
        let starts = [IncarnationId::generate(), IncarnationId::generate()];
        let incarnations = starts.map(|id| Incarnation {
            id,
            host_id: "a".to_owned(),
            started_at: at(round),
            profile: HostProfile::default(),
        });
        for begun in join_all(incarnations.iter().map(|incarnation| world.begin_incarnation(incarnation))).await {
            begun.unwrap();
        }
        let renewed = join_all(starts.map(|id| world.renew_incarnation(id, at(round)))).await;
        assert_eq!(renewed.iter().filter(|renewed| renewed.is_ok()).count(), 1, "round {round}");
    }
}

#[tokio::test]
async fn one_wish_that_comes_to_several_hosts_starts_one_interval() {
    let world = new_world().await;
    let job = world.keep(manual_job()).await;
    for round in 1..=ROUNDS {
        let key = format!("wish {round}");
        let wishes: [_; 4] =
            std::array::from_fn(|_| crate::world::firing(job, latchwork::domain::interval::Origin::Trigger, START));
        for started in join_all(wishes.iter().map(|wish| world.trigger(wish, Some(&key)))).await {
            started.unwrap();
        }
        assert_eq!(world.intervals_of(job, 99).await.unwrap().len() as u64, round);
    }
}

#[tokio::test]
async fn hosts_that_ask_for_lanes_at_once_never_get_more_than_there_are() {
    let world = new_world().await;
    let hosts: [_; 6] = hosts(&world).await;
    for round in 0..ROUNDS {
        let interval = world.interval_of(hosts[0], 6 * SEGMENT).await;
        let mut lanes = [0; 6];
        for turn in 0..6 {
            let now = at(round) + Duration::from_millis(400 * turn);
            let claims = hosts.iter().zip(&mut lanes).map(|(owner, lanes)| async {
                // Half of its tasks have ended.
                let ask = LaneAsk { max: 8, in_use: *lanes / 2, wanted: 8 };
                let claim = Claim { owner: *owner, interval, reopened: 0, lanes: ask, limit: 1, now };
                *lanes = world.claim_lanes(claim).await.unwrap().lanes.lanes;
            });
            join_all(claims).await;
            let mut shown = [0; 6];
            for (owner, shown) in hosts.iter().zip(&mut shown) {
                let is_holder = world.held_segments(*owner).await.unwrap().iter().any(|held| held.interval == interval);
                *shown = if is_holder { lanes[hosts.iter().position(|host| host == owner).unwrap()] } else { 0 };
            }
            assert!(shown.iter().sum::<u32>() <= 8, "round {round}, turn {turn}: {shown:?}");
        }
        assert_eq!(lanes.iter().sum::<u32>(), 8, "round {round}: none is left unused: {lanes:?}");
        assert!(lanes.iter().all(|lanes| (1..=2).contains(lanes)), "round {round}: {lanes:?}");
    }
}
