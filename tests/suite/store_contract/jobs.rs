//! Jobs as they are kept, and what their deletion takes along.

use super::is_lease_lost;
use crate::hands::Hands;
use crate::world::{START, at, every, job_on, manual_job, tasks_only};
use latchwork::domain::call_limits::CallLimits;
use latchwork::domain::cron::{CronSchedule, DstFold, DstGap, DstRules};
use latchwork::domain::grants::{Access, DirectoryGrant, Grants};
use latchwork::domain::ids::JobId;
use latchwork::domain::interval::{IntervalState, Origin};
use latchwork::domain::job::{JobSpec, MaxFailed, Policy, WorkSpec};
use latchwork::domain::retry::RetryPolicy;
use latchwork::domain::rules::{After, AfterEnd, CatchUp, JobRules, OnUpgrade, Overlap, Retention};
use latchwork::domain::schedule::Schedule;
use latchwork::store::{JobDeletion, Triggered};
use std::time::Duration;

/// A job in which no field has its default.
fn unusual_spec(schedule: Schedule) -> JobSpec {
    let retry = RetryPolicy {
        max_attempts: 7,
        backoff: Duration::from_millis(1_500),
        factor: 1.25,
        max_backoff: Duration::from_secs(90),
        jitter: false,
    };
    let policy = Policy {
        max_parallel: 3,
        timeout: Duration::from_millis(12_345),
        memory_bytes_max: 3 << 20,
        retry,
        interval_timeout: Some(Duration::from_secs(77)),
        max_failed: Some(MaxFailed::Share(0.25)),
        rate_limit: Some(12.5),
        priority: -7,
        key_bytes_max: 12_345,
        limits: CallLimits {
            cpu_max: Duration::from_secs(7),
            output_bytes_max: 1,
            log_bytes_max: 2,
            checkpoint_bytes_max: 3,
            handles_max: 4,
            random_bytes_max: 5,
            http_body_bytes_max: 6,
        },
        weight: 9,
        warm_calls: 8,
    };
    let rules = JobRules {
        overlap: Overlap::Queue { max: 3 },
        catch_up: CatchUp::All { max: 9, within: Some(Duration::from_secs(99)) },
        jitter: Duration::from_millis(250),
        start_deadline: Some(Duration::from_secs(30)),
        pause_after_failures: Some(4),
        retention: Retention { intervals: Some(8), days: Some(90) },
        on_upgrade: OnUpgrade::Restart,
    };
    let directory = |path: &str, access| DirectoryGrant { path: path.into(), mount: "/müll".to_owned(), access };
    let directories = vec![directory("/usr/share", Access::Read), directory("/tmp/x", Access::ReadWrite)];
    JobSpec {
        name: "Prüfung `nachts`".to_owned(),
        workspace_id: "team-7".to_owned(),
        plugin: "fixity".to_owned(),
        schedule,
        after: None,
        rules,
        enable_recovery: false,
        work: WorkSpec {
            payload: r#"{"deep":[1,null,"ä"]}"#.to_owned(),
            tasks: Some(12),
            policy,
            grants: Grants { directories, ..Grants::default() },
            requires: "gpu=yes,zone=eu/a".parse().unwrap(),
        },
    }
}

#[tokio::test]
async fn every_field_of_a_job_comes_back_for_each_kind_of_schedule() {
    let world = super::new_world().await;
    let before = world.keep(manual_job()).await;
    let dst = DstRules { gap: DstGap::Skip, fold: DstFold::Twice };
    let cron = CronSchedule::new("30 2 * * MON", "Europe/Berlin", dst).unwrap();
    let once = Schedule::Once { at: at(3) };
    for schedule in [every(90), Schedule::Cron(cron), once, Schedule::Manual] {
        let mut job = job_on(schedule.clone());
        job.spec = unusual_spec(schedule);
        job.spec.after = Some(After { job: before, end: AfterEnd::Failure });
        job.updated_at = at(5);
        world.create_job(&job).await.unwrap();
        let read = world.job(job.id).await.unwrap().expect("the job is kept");
        assert_eq!(format!("{read:#?}"), format!("{job:#?}"));
    }
}

#[tokio::test]
async fn jobs_are_listed_from_the_oldest_and_an_unknown_one_is_none() {
    let world = super::new_world().await;
    let ids = [world.keep(manual_job()).await, world.keep(job_on(every(1))).await, world.keep(manual_job()).await];
    assert_eq!(world.jobs().await.unwrap().iter().map(|job| job.id).collect::<Vec<_>>(), ids);
    assert!(world.job(JobId::generate()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_job_shows_its_open_interval_from_its_firing_to_its_end() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let job = world.keep(manual_job()).await;
    let current = async || world.job(job).await.unwrap().unwrap().current_interval;
    assert_eq!(current().await, None);
    let interval = world.fire_job(job, at(1)).await;
    let shown = current().await.unwrap();
    assert_eq!((shown.id, shown.started_at), (interval, None));
    world.claim_pending(owner, at(2), 1).await.unwrap();
    world.record_plan(owner, interval, &tasks_only(2), crate::world::no_writes(), at(3)).await.unwrap();
    assert_eq!(current().await.unwrap().started_at, Some(at(3)));
    let mut hands = Hands::on(&world, owner, interval, at(4)).await;
    hands.complete(0..2);
    hands.record(&world).await.unwrap();
    assert_eq!(current().await, None);
}

#[tokio::test]
async fn a_deleted_job_is_gone_once_and_fires_no_more() {
    let world = super::new_world().await;
    let job = world.keep(job_on(every(10))).await;
    assert_eq!(world.delete_job(job, at(1)).await.unwrap(), JobDeletion::Deleted);
    assert_eq!(world.delete_job(job, at(1)).await.unwrap(), JobDeletion::Unknown);
    assert_eq!(world.delete_job(JobId::generate(), at(1)).await.unwrap(), JobDeletion::Unknown);
    assert!(world.job(job).await.unwrap().is_none());
    assert!(world.jobs().await.unwrap().is_empty());
    assert!(world.due_jobs(at(99), 9).await.unwrap().is_empty());
    assert_eq!(world.next_fire_at().await.unwrap(), None);
    let interval = crate::world::firing(job, Origin::Trigger, at(2));
    assert_eq!(world.trigger(&interval, None).await.unwrap(), Triggered::UnknownJob);
}

#[tokio::test]
async fn deleting_a_job_cancels_its_open_intervals_and_removes_its_keys() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let job = world.keep(manual_job()).await;
    let running = world.fire_job(job, START).await;
    world.plan(owner, running, &tasks_only(100)).await;
    let mut hands = Hands::on(&world, owner, running, START).await;
    hands.start(3, START);
    hands.complete([0]);
    hands.note(0, |task| task.keys = [("seen".to_owned(), Some(b"1".to_vec()))].into());
    hands.record(&world).await.unwrap();
    let pending = world.fire_job(job, at(1)).await;

    world.delete_job(job, at(2)).await.unwrap();

    for interval in [running, pending] {
        let view = world.view(interval).await;
        assert_eq!((view.state, view.finished_at), (IntervalState::Cancelled, Some(at(2))));
        assert_eq!(view.reason.as_deref(), Some("the job was deleted"));
        assert!(world.open_interval(interval).await.unwrap().is_none());
    }
    assert_eq!(world.counts(running).await.completed, 1);
    assert_eq!(world.key(job, "seen").await.unwrap(), None);
    assert!(world.claim_pending(owner, at(3), 9).await.unwrap().is_empty());
    assert!(world.claim(owner, running, at(3), 9).await.is_empty());
    hands.complete([1]);
    assert!(is_lease_lost(hands.record(&world).await));
    assert_eq!(world.completed(running).await, [0]);
}
