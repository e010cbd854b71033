//! Rows that this program did not write: they are named, and keep nobody from the others.

use super::raw;
use crate::world::{START, World, at, every, job_on};
use latchwork::domain::ids::JobId;
use latchwork::store::StoreError;

/// Writes something into a column past the store.
async fn damage(world: &World, statement: &'static str, id: impl ToString) {
    let damaged = sqlx::query(statement).bind(id.to_string()).execute(&mut raw(world).await).await.unwrap();
    assert_eq!(damaged.rows_affected(), 1);
}

async fn damage_job(world: &World, job: JobId) {
    damage(world, "update jobs set rules = 'ruin' where id = $1", job).await;
}

#[tokio::test]
async fn a_damaged_job_keeps_no_other_from_firing_nor_from_being_listed() {
    let world = super::new_world().await;
    let [damaged, sound] = [world.keep(job_on(every(10))).await, world.keep(job_on(every(20))).await];
    damage_job(&world, damaged).await;
    let due = world.due_jobs(at(20), 9).await.unwrap();
    assert_eq!(due.iter().map(|due| due.job.id).collect::<Vec<_>>(), [sound]);
    assert_eq!(world.jobs().await.unwrap().iter().map(|job| job.id).collect::<Vec<_>>(), [sound]);
    let alone = world.due_jobs(at(10), 9).await;
    assert!(matches!(alone, Err(StoreError::Unreadable { .. })), "an empty answer would be asked again at once");
}

#[tokio::test]
async fn a_damaged_row_keeps_no_other_interval_from_recovery() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let [damaged, sound] = [world.interval_of(owner, 8).await, world.interval_of(owner, 8).await];
    for interval in [damaged, sound] {
        world.claim(owner, interval, START, 9).await;
    }
    damage(&world, "update intervals set fruitless_recoveries = -1 where id = $1", damaged).await;
    let job = world.view(damaged).await.job;
    damage(&world, "update jobs set current_interval_id = 'that one' where id = $1", job).await;
    let interrupted = world.interrupted_intervals(at(60)).await.unwrap();
    assert_eq!(interrupted.iter().map(|dead| dead.id).collect::<Vec<_>>(), [sound]);
    let incomplete = world.incomplete_jobs().await.unwrap();
    assert_eq!(incomplete.iter().map(|job| job.interval).collect::<Vec<_>>(), [sound]);
}
