//! Pausing, resuming, triggering, cancelling.

use super::is_lease_lost;
use crate::hands::Hands;
use crate::world::{START, World, at, every, firing, job_on, manual_job, tasks_only};
use latchwork::domain::firing::UnrunFiring;
use latchwork::domain::ids::{IntervalId, JobId};
use latchwork::domain::interval::{IntervalState, Origin};
use latchwork::domain::job::{Job, JobStatus, NextFiring};
use latchwork::domain::schedule::Count;
use latchwork::store::{Cancellation, Resume, Triggered};

async fn job(world: &World, job: JobId) -> Job {
    world.job(job).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_paused_job_is_not_due_and_keeps_its_open_interval() {
    let world = super::new_world().await;
    let id = world.keep(job_on(every(10))).await;
    let open = world.fire_job(id, START).await;
    assert!(world.pause_job(id, "a look at the disks", at(1)).await.unwrap());
    let paused = job(&world, id).await;
    assert_eq!(paused.status, JobStatus::Paused { reason: "a look at the disks".to_owned() });
    assert_eq!(paused.current_interval.unwrap().id, open);
    assert!(world.due_jobs(at(99), 9).await.unwrap().is_empty());
    assert_eq!(world.next_fire_at().await.unwrap(), None);
    assert_eq!(world.view(open).await.state, IntervalState::Pending);
    world.fire_job(id, at(3)).await;

    assert!(!world.pause_job(id, "another reason", at(2)).await.unwrap(), "the first reason stays");
    assert_eq!(job(&world, id).await.status, paused.status);
    assert!(!world.pause_job(JobId::generate(), "nobody", at(2)).await.unwrap());
}

#[tokio::test]
async fn a_resumed_job_is_due_at_its_next_firing_and_keeps_what_passed() {
    let world = super::new_world().await;
    let id = world.keep(job_on(every(10))).await;
    let next = Some(NextFiring { scheduled_at: at(40), fire_at: at(41) });
    let skipped = UnrunFiring {
        id: IntervalId::generate(),
        state: IntervalState::Skipped,
        reason: "3 firings passed".to_owned(),
        scheduled_at: at(10),
        last_at: at(30),
        count: Count { number: 3, has_more: false },
        decided_at: at(35),
    };
    let resume = Resume { job: id, next, skipped: Some(skipped.clone()) };
    assert!(!world.resume_job(&resume, at(35)).await.unwrap(), "it is not paused");
    assert!(world.intervals_of(id, 9).await.unwrap().is_empty());

    world.pause_job(id, "a pause", at(1)).await.unwrap();
    assert!(world.resume_job(&resume, at(35)).await.unwrap());
    assert!(!world.resume_job(&resume, at(35)).await.unwrap());
    let resumed = job(&world, id).await;
    assert_eq!((resumed.status, resumed.next), (JobStatus::Active, next));
    assert_eq!(world.next_fire_at().await.unwrap(), Some(at(41)));
    let kept = world.intervals_of(id, 9).await.unwrap();
    assert_eq!((kept.len(), kept[0].id, kept[0].state), (1, skipped.id, IntervalState::Skipped));
    assert_eq!((kept[0].scheduled_at, kept[0].reason.as_ref()), (at(10), Some(&skipped.reason)));
}

#[tokio::test]
async fn a_trigger_with_a_known_key_starts_nothing() {
    let world = super::new_world().await;
    let (one, other) = (world.keep(manual_job()).await, world.keep(manual_job()).await);
    let trigger = async |job, key| {
        let interval = firing(job, Origin::Trigger, at(1));
        (interval.firing.interval, world.trigger(&interval, key).await.unwrap())
    };
    let (first, started) = trigger(one, Some("k")).await;
    assert_eq!(started, Triggered::Started);
    assert_eq!(trigger(one, Some("k")).await.1, Triggered::Again(first));
    assert_eq!(trigger(other, Some("k")).await.1, Triggered::Started, "a key is a job's own");
    assert_eq!(trigger(one, Some("l")).await.1, Triggered::Started);
    assert_eq!(trigger(one, None).await.1, Triggered::Started);
    assert_eq!(trigger(one, None).await.1, Triggered::Started);
    assert_eq!(world.intervals_of(one, 9).await.unwrap().len(), 4);
    world.delete_job(one, at(2)).await.unwrap();
    assert_eq!(trigger(one, Some("k")).await.1, Triggered::UnknownJob);
}

#[tokio::test]
async fn a_cancelled_interval_keeps_what_has_completed_and_takes_nothing_more() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let job = world.keep(manual_job()).await;
    let running = world.fire_job(job, START).await;
    world.plan(owner, running, &tasks_only(100)).await;
    let pending = world.fire_job(job, at(1)).await;
    let mut hands = Hands::on(&world, owner, running, START).await;
    hands.start(3, START);
    hands.complete([0]);
    hands.record(&world).await.unwrap();

    for interval in [running, pending] {
        let cancel = async || world.cancel_interval(interval, "enough", at(2)).await.unwrap();
        assert_eq!(cancel().await, Cancellation::Cancelled(job));
        assert_eq!(cancel().await, Cancellation::Again);
        let view = world.view(interval).await;
        assert_eq!((view.state, view.finished_at), (IntervalState::Cancelled, Some(at(2))));
        assert_eq!(view.reason.as_deref(), Some("enough"));
    }
    hands.complete([1]);
    assert!(is_lease_lost(hands.record(&world).await));
    assert_eq!(world.completed(running).await, [0]);
    assert!(world.job(job).await.unwrap().unwrap().current_interval.is_none());
    assert!(world.claim_pending(owner, at(3), 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_interval_that_has_ended_otherwise_is_not_cancelled() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let ended = world.interval_of(owner, 0).await;
    let cancelled = world.cancel_interval(ended, "too late", at(2)).await.unwrap();
    assert_eq!(cancelled, Cancellation::Ended(IntervalState::Succeeded));
    assert_eq!(world.view(ended).await.reason, None);
    let nobody = world.cancel_interval(IntervalId::generate(), "nobody", at(2)).await.unwrap();
    assert_eq!(nobody, Cancellation::Unknown);
}
