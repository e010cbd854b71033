//! Hosts that differ: what each is given, what is told of them, and how one leaves.

use crate::hands::Hands;
use crate::world::{START, World, at, manual_job, tasks_only};
use latchwork::domain::host::{HostProfile, HostState};
use latchwork::domain::ids::{IncarnationId, IntervalId};
use latchwork::domain::lease::LEASE_FOR;
use latchwork::domain::timestamp::Timestamp;
use latchwork::store::{Drained, HostRecord, Renewal};
use std::time::Duration;

fn profile(roles: &str, labels: &str) -> HostProfile {
    HostProfile {
        version: "1.2.3".to_owned(),
        roles: roles.parse().unwrap(),
        labels: labels.parse().unwrap(),
        address: "10.0.0.7:8080".to_owned(),
    }
}

/// A host with labels, of which nothing more is heard.
async fn worker(world: &World, host_id: &str, labels: &str) -> IncarnationId {
    world.host_with(host_id, START, profile("worker", labels)).await
}

/// A pending interval of a job that requires labels.
async fn pending(world: &World, requires: &str) -> IntervalId {
    let mut job = manual_job();
    job.spec.work.requires = requires.parse().unwrap();
    world.fire_job(world.keep(job).await, START).await
}

async fn known(world: &World, since: Timestamp) -> Vec<(String, HostState)> {
    let hosts = world.hosts(since).await.unwrap();
    hosts.into_iter().map(|host| (host.host_id, host.standing.state(since))).collect()
}

#[tokio::test]
async fn a_plan_is_given_to_a_host_that_has_the_labels_it_requires() {
    let world = super::new_world().await;
    let (plain, zone, both) = (
        worker(&world, "plain", "").await,
        worker(&world, "zone", "zone=b").await,
        worker(&world, "both", "disk=ssd,zone=a,gpu=yes").await,
    );
    let interval = pending(&world, "gpu=yes,zone=a").await;
    for other in [plain, zone] {
        assert!(world.claim_pending(other, START, 9).await.unwrap().is_empty());
    }
    assert_eq!(world.claim_pending(both, START, 9).await.unwrap(), [interval]);
    let anywhere = pending(&world, "").await;
    assert_eq!(world.claim_pending(plain, START, 9).await.unwrap(), [anywhere]);
}

#[tokio::test]
async fn segments_are_shown_and_given_to_hosts_that_have_the_labels_they_require() {
    let world = super::new_world().await;
    let (plain, fit) = (worker(&world, "plain", "gpu=no").await, worker(&world, "fit", "gpu=yes").await);
    let (picky, easy) = (pending(&world, "gpu=yes").await, pending(&world, "").await);
    for interval in [picky, easy] {
        world.claim_pending(fit, START, 9).await.unwrap();
        world.record_plan(fit, interval, &tasks_only(1), crate::world::no_writes(), START).await.unwrap();
    }
    let claimable = async |owner| world.store.claimable_intervals(owner, START, &[], 9).await.unwrap();
    assert_eq!(claimable(plain).await, [easy]);
    assert_eq!(claimable(fit).await.len(), 2);
    assert!(world.claim(plain, picky, START, 9).await.is_empty());
    assert_eq!(world.claim(plain, easy, START, 9).await, [0]);
    assert_eq!(world.claim(fit, picky, START, 9).await, [0]);
}

#[tokio::test]
async fn an_interval_keeps_what_its_job_required_when_it_fired() {
    let world = super::new_world().await;
    let interval = pending(&world, "gpu=yes").await;
    let job = world.job(world.view(interval).await.job).await.unwrap().unwrap();
    let mut changed = job.clone();
    changed.spec.work.requires = "gpu=no".parse().unwrap();
    changed.updated_at = at(1);
    let rescheduling = latchwork::store::Rescheduling::Kept;
    let edit = latchwork::store::JobEdit { job: changed.clone(), was_updated_at: job.updated_at, rescheduling };
    world.edit_job(&edit).await.unwrap();
    assert_eq!(world.job(job.id).await.unwrap().unwrap().spec.work, changed.spec.work);
    let expected = "gpu=yes".parse().unwrap();
    assert_eq!(world.view(interval).await.requires, expected);
    assert_eq!(world.open_interval(interval).await.unwrap().unwrap().work.requires, expected);
}

#[tokio::test]
async fn a_host_that_drains_learns_of_it_and_is_given_nothing_new() {
    let world = super::new_world().await;
    let (leaving, other) = (world.host("a", START).await, world.host("b", START).await);
    let begun = world.interval_of(leaving, 200).await;
    let mut hands = Hands::on_some(&world, leaving, begun, 1, START).await;
    hands.start(2, START);
    let held = pending(&world, "").await;
    assert_eq!(world.claim_pending(leaving, START, 9).await.unwrap(), [held]);
    for _ in 0..2 {
        assert_eq!(world.drain_host("a", at(1)).await.unwrap(), Drained::Noted);
    }
    assert!(world.renew_incarnation(leaving, at(1)).await.unwrap().is_draining);
    assert!(!world.renew_incarnation(other, at(1)).await.unwrap().is_draining);

    let new = pending(&world, "").await;
    assert_eq!(world.claim_pending(leaving, at(1), 9).await.unwrap(), [held], "what it has begun it may end");
    assert!(world.claim(leaving, begun, at(1), 9).await.is_empty());
    hands.complete(0..2);
    hands.record(&world).await.unwrap();
    assert_eq!(world.claim_pending(other, at(1), 9).await.unwrap(), [new]);
    assert_eq!(known(&world, at(1)).await[0], ("a".to_owned(), HostState::Draining));
    assert_eq!(world.living_hosts(at(1)).await.unwrap().len(), 1, "it is no host to count on");

    world.end_incarnation(leaving, at(2)).await.unwrap();
    assert_eq!(world.drain_host("a", at(3)).await.unwrap(), Drained::Ended(at(2)));
    let fresh = world.host("a", at(4)).await;
    assert!(!world.renew_incarnation(fresh, at(4)).await.unwrap().is_draining);
    assert_eq!(world.drain_host("nobody", at(4)).await.unwrap(), Drained::Unknown);
}

#[tokio::test]
async fn hosts_are_listed_with_what_they_said_and_what_they_hold() {
    let world = super::new_world().await;
    let said = profile("api,worker", "zone=a");
    let first = world.host_with("b", START, HostProfile::default()).await;
    let second = world.host_with("b", at(1), said.clone()).await;
    let other = world.host_with("a", at(1), HostProfile::default()).await;
    let interval = world.interval_of(other, 200).await;
    let mut hands = Hands::on_some(&world, second, interval, 2, at(1)).await;
    hands.start(3, at(1));
    hands.record(&world).await.unwrap();

    let hosts = world.hosts(START).await.unwrap();
    let incarnations: Vec<_> = hosts.iter().map(|host| host.incarnation).collect();
    assert_eq!(incarnations, [other, second, first], "by host, the latest first");
    let HostRecord { profile, started_at, standing, held_segments, running, .. } = hosts[1].clone();
    assert_eq!((profile, started_at, held_segments, running), (said, at(1), 2, 3));
    assert_eq!((standing.expires_at, standing.ended_at), (at(1) + LEASE_FOR, None));
    assert_eq!(hosts[2].standing.ended_at, Some(at(1)), "it was started anew");
    assert_eq!((hosts[0].held_segments, hosts[0].running), (0, 0));
    assert_eq!(world.hosts(at(2)).await.unwrap().len(), 2, "what ended before is left out");
    assert!(world.hosts(at(2) + LEASE_FOR).await.unwrap().is_empty(), "and so is what was silent");
}

#[tokio::test]
async fn living_hosts_are_those_whose_lease_holds() {
    let world = super::new_world().await;
    let ended = worker(&world, "ended", "").await;
    worker(&world, "silent", "").await;
    world.end_incarnation(ended, START).await.unwrap();
    let living = profile("scheduler", "zone=c");
    world.host_with("living", at(3), living.clone()).await;
    assert_eq!(world.living_hosts(at(1) + LEASE_FOR).await.unwrap(), [living]);
}

#[tokio::test]
async fn the_next_lease_of_another_host_to_run_out_is_known() {
    let world = super::new_world().await;
    let first = world.host_with("a", START, HostProfile::default()).await;
    let second = world.host_with("b", at(1), HostProfile::default()).await;
    let next = async |but, now| world.next_expiry(but, now).await.unwrap();
    assert_eq!(next(second, at(1)).await, Some(START + LEASE_FOR));
    assert_eq!(next(first, at(1)).await, Some(at(1) + LEASE_FOR), "its own says nothing");
    assert_eq!(next(second, at(1) + LEASE_FOR).await, None, "what has run out is over");
    world.end_incarnation(first, at(1)).await.unwrap();
    assert_eq!(next(second, at(1)).await, None);
}

#[tokio::test]
async fn leases_count_as_run_out_only_before_the_instant_that_whoever_looks_can_vouch_for() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 8).await;
    Hands::on(&world, owner, interval, START).await;
    assert!(world.interrupted_intervals(Timestamp::MIN).await.unwrap().is_empty());
    let takeover = |expired_before| latchwork::store::Takeover { fruitless: 1, attempts_max: 3, expired_before };
    world.store.resume(interval, takeover(Timestamp::MIN), at(600)).await.unwrap();
    world.renew_incarnation(owner, at(600)).await.unwrap();
    world.store.resume(interval, takeover(at(700)), at(701)).await.unwrap();
    assert!(super::is_lease_lost(world.renew_incarnation(owner, at(701)).await));
    let ended = world.hosts(at(700)).await.unwrap().remove(0).standing.ended_at;
    assert_eq!(ended, Some(at(701)), "it ended when it was taken over");
}

#[tokio::test]
async fn a_renewal_tells_the_database_s_own_time_where_it_has_one() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let Renewal { database_now, .. } = world.renew_incarnation(owner, at(1)).await.unwrap();
    let asked = world.database_now().await.unwrap();
    assert_eq!(database_now.is_some(), super::HAS_CLOCK);
    assert_eq!(asked.is_some(), super::HAS_CLOCK);
    if let Some((first, second)) = database_now.zip(asked) {
        assert!(second >= first && second.since(first) < Duration::from_mins(5), "{first} {second}");
    }
}
