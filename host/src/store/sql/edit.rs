//! Changes of a job by its author.

use super::locks::{self, Subject};
use super::rows::{maybe_parsed, to_json, to_word};
use super::schedule::ScheduleColumns;
use super::{Connection, SqlStore, dialect, firing};
use crate::domain::chain::{self, Link};
use crate::domain::ids::JobId;
use crate::domain::job::Job;
use crate::store::{Edited, JobEdit, Rescheduling, Result};
use sqlx::Row as _;

pub(super) async fn edit(store: &SqlStore, edit: &JobEdit) -> Result<Edited> {
    let job = &edit.job;
    let mut tx = store.begin().await?;
    if job.spec.after.is_some() {
        locks::subject(&mut tx, Subject::Chains).await?;
    }
    locks::jobs(&mut tx, &[job.id]).await?;
    let row = sqlx::query("select updated_at from jobs where id = $1 and is_deleted = false").bind(job.id.to_string());
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
async fn links(connection: &mut Connection, first: JobId) -> Result<Vec<Link>> {
    let mut links: Vec<Link> = Vec::new();
    let mut next = Some(first);
    while let Some(job) = next.filter(|job| links.iter().all(|link| link.job != *job)) {
        let row = sqlx::query("select name, after_job_id from jobs where id = $1 and is_deleted = false");
        let Some(row) = row.bind(job.to_string()).fetch_optional(&mut *connection).await? else { break };
        links.push(Link { job, name: row.try_get("name")? });
        next = maybe_parsed(&row, "after_job_id")?;
    }
    Ok(links)
}

async fn write(connection: &mut Connection, job: &Job) -> Result<()> {
    let spec = &job.spec;
    sqlx::query(
        "update jobs set workspace_id = $1, name = $2, plugin = $3, after_job_id = $4, after_end = $5, \
         enable_recovery = $6, updated_at = $7, tasks = $8, rules = $9, policy = $10, grants = $11, payload = $12, \
         requires = $13 where id = $14",
    )
    .bind(dialect::text(&spec.workspace_id))
    .bind(dialect::text(&spec.name))
    .bind(&spec.plugin)
    .bind(spec.after.map(|after| after.job.to_string()))
    .bind(spec.after.map(|after| to_word(&after.end)))
    .bind(spec.enable_recovery)
    .bind(job.updated_at.ms())
    .bind(spec.work.tasks.map(i64::from))
    .bind(to_json(&spec.rules))
    .bind(to_json(&spec.work.policy))
    .bind(to_json(&spec.work.grants))
    .bind(&spec.work.payload)
    .bind(to_json(&spec.work.requires))
    .bind(job.id.to_string())
    .execute(connection)
    .await?;
    Ok(())
}

async fn reschedule(connection: &mut Connection, job: &Job) -> Result<()> {
    let columns = ScheduleColumns::from(&job.spec.schedule);
    sqlx::query(
        "update jobs set type = $1, period_ms = $2, anchor_at = $3, cron = $4, timezone = $5, dst_gap = $6, \
         dst_fold = $7, \
         once_at = $8, next_scheduled_at = $9, next_fire_at = $10, warning = null where id = $11",
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
