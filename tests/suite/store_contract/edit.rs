//! Changes of a job by its author.

use crate::world::{START, World, at, every, job_on, manual_job};
use latchwork::domain::chain::ChainError;
use latchwork::domain::firing::UnrunFiring;
use latchwork::domain::ids::{IntervalId, JobId};
use latchwork::domain::interval::IntervalState;
use latchwork::domain::job::Job;
use latchwork::domain::rules::{After, AfterEnd};
use latchwork::domain::schedule::Count;
use latchwork::store::{Edited, JobEdit, Rescheduling};

fn edit(kept: &Job, change: impl FnOnce(&mut Job)) -> JobEdit {
    let mut job = Job { updated_at: at(5), ..kept.clone() };
    change(&mut job);
    JobEdit { job, was_updated_at: kept.updated_at, rescheduling: Rescheduling::Kept }
}

async fn job(world: &World, job: JobId) -> Job {
    world.job(job).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_changed_job_is_kept_and_its_open_interval_goes_on_as_it_began() {
    let world = super::new_world().await;
    let id = world.keep(job_on(every(10))).await;
    let open = world.fire_job(id, START).await;
    let change = edit(&job(&world, id).await, |job| {
        job.spec.name = "renamed".to_owned();
        job.spec.plugin = "another".to_owned();
        job.spec.workspace_id = "team".to_owned();
        job.spec.enable_recovery = false;
        job.spec.work.payload = "7".to_owned();
        job.spec.work.tasks = Some(4);
        job.spec.work.policy.priority = 3;
        job.spec.rules.pause_after_failures = Some(2);
    });
    assert_eq!(world.edit_job(&change).await.unwrap(), Edited::Done);
    let read = job(&world, id).await;
    assert_eq!(format!("{read:#?}"), format!("{:#?}", change.job));
    let work = world.open_interval(open).await.unwrap().unwrap().work;
    assert_eq!((work.payload.as_str(), work.tasks), ("null", None));
}

#[tokio::test]
async fn a_new_schedule_brings_its_own_next_firing_and_keeps_what_passed_of_the_old_one() {
    let world = super::new_world().await;
    let id = world.keep(job_on(every(10))).await;
    let skipped = UnrunFiring {
        id: IntervalId::generate(),
        state: IntervalState::Skipped,
        reason: "1 firing had not been fired".to_owned(),
        scheduled_at: at(10),
        last_at: at(10),
        count: Count { number: 1, has_more: false },
        decided_at: at(12),
    };
    let mut change = edit(&job(&world, id).await, |job| {
        job.spec.schedule = every(25);
        job.next = job.next_firing(at(12));
    });
    change.rescheduling = Rescheduling::Changed { skipped: Some(skipped.clone()) };
    assert_eq!(world.edit_job(&change).await.unwrap(), Edited::Done);
    assert_eq!(format!("{:#?}", job(&world, id).await), format!("{:#?}", change.job));
    assert_eq!(world.next_fire_at().await.unwrap(), Some(at(25)));
    assert_eq!(world.view(skipped.id).await.state, IntervalState::Skipped);
}

#[tokio::test]
async fn of_two_changes_of_one_state_the_second_is_refused() {
    let world = super::new_world().await;
    let id = world.keep(manual_job()).await;
    let kept = job(&world, id).await;
    let change = |name: &str| edit(&kept, |job| job.spec.name = name.to_owned());
    assert_eq!(world.edit_job(&change("first")).await.unwrap(), Edited::Done);
    assert_eq!(world.edit_job(&change("second")).await.unwrap(), Edited::Outdated);
    assert_eq!(job(&world, id).await.spec.name, "first");
    world.delete_job(id, at(6)).await.unwrap();
    assert_eq!(world.edit_job(&change("third")).await.unwrap(), Edited::Unknown);
}

#[tokio::test]
async fn a_change_that_would_close_a_circle_of_jobs_is_refused_with_its_way() {
    let world = super::new_world().await;
    let named = |name: &str, after: Option<JobId>| {
        let mut job = manual_job();
        job.spec.name = name.to_owned();
        job.spec.after = after.map(|job| After { job, end: AfterEnd::Success });
        job
    };
    let a = world.keep(named("a", None)).await;
    let b = world.keep(named("b", Some(a))).await;
    let c = world.keep(named("c", Some(b))).await;
    let refused = async |job_id, after| {
        let kept = job(&world, job_id).await;
        let after = Some(After { job: after, end: AfterEnd::Any });
        world.edit_job(&edit(&kept, |job| job.spec.after = after)).await.unwrap()
    };
    let cycle = |way: &str| Edited::Refused(ChainError::Cycle(way.to_owned()));
    assert_eq!(refused(a, a).await, cycle("a -> a"));
    assert_eq!(refused(a, b).await, cycle("a -> b -> a"));
    assert_eq!(refused(a, c).await, cycle("a -> c -> b -> a"));
    let nobody = JobId::generate();
    assert_eq!(refused(a, nobody).await, Edited::Refused(ChainError::Unknown(nobody)));
    assert!(job(&world, a).await.spec.after.is_none());
    assert_eq!(refused(c, a).await, Edited::Done);
}
