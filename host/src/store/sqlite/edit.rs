//! Changes of a job by its author.

use super::rows::{maybe_parsed, to_json, to_word};
use super::schedule::ScheduleColumns;
use super::{SqliteStore, firing};
use crate::domain::chain::{self, Link};
use crate::domain::ids::JobId;
use crate::domain::job::Job;
use crate::store::{Edited, JobEdit, Rescheduling, Result};
use sqlx::{Row as _, SqliteConnection};

pub(super) async fn edit(store: &SqliteStore, edit: &JobEdit) -> Result<Edited> {
    let job = &edit.job;
    let mut tx = store.begin().await?;
    let row = sqlx::query("select updated_at from jobs where id = ? and is_deleted = false").bind(job.id.to_string());
    let Some(row) = row.fetch_optional(&mut *tx).await? else { return Ok(Edited::Unknown) };
    if row.try_get::<i64, _>("updated_at")? != edit.was_updated_at.ms() {
        return Ok(Edited::Outdated);
    }
    // Here and not before: of two changes that would close a circle together, the second one sees the first.
    if let Some(after) = job.spec.after {
        let links = links(&mut tx, after.job).await?;
        let link = Link { job: job.id, name: job.spec.name.clone() };
        if let Err(error) = chain::check(&link, after.job, &links) {
            return Ok(Edited::Refused(error));
        }
    }
    write(&mut tx, job).await?;
    if let Rescheduling::Changed { skipped } = &edit.rescheduling {
        reschedule(&mut tx, job).await?;
        if let Some(skipped) = skipped {
            firing::insert_unrun(&mut tx, job.id, skipped).await?;
        }
    }
    tx.commit().await?;
    Ok(Edited::Done)
}

/// The jobs on the way up from one, itself first.
async fn links(connection: &mut SqliteConnection, first: JobId) -> Result<Vec<Link>> {
    let mut links: Vec<Link> = Vec::new();
    let mut next = Some(first);
    while let Some(job) = next.filter(|job| links.iter().all(|link| link.job != *job)) {
        let row = sqlx::query("select name, after_job_id from jobs where id = ? and is_deleted = false");
        let Some(row) = row.bind(job.to_string()).fetch_optional(&mut *connection).await? else { break };
        links.push(Link { job, name: row.try_get("name")? });
        next = maybe_parsed(&row, "after_job_id")?;
    }
    Ok(links)
}

async fn write(connection: &mut SqliteConnection, job: &Job) -> Result<()> {
    let spec = &job.spec;
    sqlx::query(
        "update jobs set workspace_id = ?, name = ?, plugin = ?, after_job_id = ?, after_end = ?, \
         enable_recovery = ?, updated_at = ?, tasks = ?, rules = ?, policy = ?, grants = ?, payload = ? where id = ?",
    )
    .bind(&spec.workspace_id)
    .bind(&spec.name)
    .bind(&spec.plugin)
    .bind(spec.after.map(|after| after.job.to_string()))
    .bind(spec.after.map(|after| to_word(&after.end)))
    .bind(spec.enable_recovery)
    .bind(job.updated_at.ms())
    .bind(spec.work.tasks)
    .bind(to_json(&spec.rules))
    .bind(to_json(&spec.work.policy))
    .bind(to_json(&spec.work.grants))
    .bind(&spec.work.payload)
    .bind(job.id.to_string())
    .execute(connection)
    .await?;
    Ok(())
}

async fn reschedule(connection: &mut SqliteConnection, job: &Job) -> Result<()> {
    let columns = ScheduleColumns::from(&job.spec.schedule);
    sqlx::query(
        "update jobs set type = ?, period_ms = ?, anchor_at = ?, cron = ?, timezone = ?, dst_gap = ?, dst_fold = ?, \
         once_at = ?, next_scheduled_at = ?, next_fire_at = ?, warning = null where id = ?",
    )
    .bind(columns.kind)
    .bind(columns.period_ms)
    .bind(columns.anchor_at)
    .bind(columns.cron)
    .bind(columns.timezone)
    .bind(columns.dst_gap)
    .bind(columns.dst_fold)
    .bind(columns.once_at)
    .bind(job.next.map(|next| next.scheduled_at.ms()))
    .bind(job.next.map(|next| next.fire_at.ms()))
    .bind(job.id.to_string())
    .execute(connection)
    .await?;
    Ok(())
}
