//! Rows of jobs.

use super::locks::{self, Subject};
use super::rows::{
    instant, json, maybe_instant, maybe_number, maybe_parsed, number, parsed, readable, to_json, to_word, word,
};
use super::schedule::{self, ScheduleColumns};
use super::{Pool, Row, SqlStore, backfills, closing, dialect};
use crate::domain::ids::{IntervalId, JobId};
use crate::domain::interval::IntervalEvent;
use crate::domain::job::{CurrentInterval, Job, JobSpec, JobStatus, NextFiring, WorkSpec};
use crate::domain::rules::After;
use crate::domain::timestamp::Timestamp;
use crate::store::{JobDeletion, Result, StoreError};
use sqlx::Row as _;

pub(super) async fn create(pool: &Pool, job: &Job) -> Result<()> {
    let spec = &job.spec;
    let columns = ScheduleColumns::from(&spec.schedule);
    sqlx::query(
        "insert into jobs (id, workspace_id, name, plugin, type, period_ms, anchor_at, cron, timezone, dst_gap, \
         dst_fold, once_at, after_job_id, after_end, enable_recovery, next_scheduled_at, next_fire_at, created_at, \
         updated_at, tasks, rules, policy, grants, payload, requires) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, \
         $20, $21, $22, $23, $24, $25)",
    )
    .bind(job.id.to_string())
    .bind(dialect::text(&spec.workspace_id))
    .bind(dialect::text(&spec.name))
    .bind(&spec.plugin)
    .bind(columns.kind)
    .bind(columns.period_ms)
    .bind(columns.anchor_at)
    .bind(columns.cron)
    .bind(columns.timezone)
    .bind(columns.dst_gap)
    .bind(columns.dst_fold)
    .bind(columns.once_at)
    .bind(spec.after.map(|after| after.job.to_string()))
    .bind(spec.after.map(|after| to_word(&after.end)))
    .bind(spec.enable_recovery)
    .bind(job.next.map(|next| next.scheduled_at.ms()))
    .bind(job.next.map(|next| next.fire_at.ms()))
    .bind(job.created_at.ms())
    .bind(job.updated_at.ms())
    .bind(spec.work.tasks.map(i64::from))
    .bind(to_json(&spec.rules))
    .bind(to_json(&spec.work.policy))
    .bind(to_json(&spec.work.grants))
    .bind(&spec.work.payload)
    .bind(to_json(&spec.work.requires))
    .execute(pool)
    .await?;
    Ok(())
}

pub(super) async fn one(pool: &Pool, job: JobId) -> Result<Option<Job>> {
    let row = sqlx::query("select * from jobs where id = $1 and is_deleted = false").bind(job.to_string());
    row.fetch_optional(pool).await?.as_ref().map(read).transpose()
}

pub(super) async fn all(pool: &Pool) -> Result<Vec<Job>> {
    let rows = sqlx::query("select * from jobs where is_deleted = false order by id");
    Ok(readable(&rows.fetch_all(pool).await?, "job", read))
}

pub(super) async fn delete(store: &SqlStore, job: JobId, now: Timestamp) -> Result<JobDeletion> {
    let id = job.to_string();
    let mut tx = store.begin().await?;
    locks::subject(&mut tx, Subject::Chains).await?;
    locks::jobs(&mut tx, &[job]).await?;
    let waiting = sqlx::query("select id, name from jobs where after_job_id = $1 and is_deleted = false order by id");
    let waiting = waiting.bind(&id).fetch_all(&mut *tx).await?;
    if !waiting.is_empty() {
        let name = |row: &Row| Ok((parsed(row, "id")?, row.try_get("name")?));
        return Ok(JobDeletion::Awaited(waiting.iter().map(name).collect::<Result<_>>()?));
    }
    let deleted = sqlx::query(
        "update jobs set is_deleted = true, next_scheduled_at = null, next_fire_at = null, key_bytes = 0, \
         updated_at = $1 where id = $2 and is_deleted = false",
    )
    .bind(now.ms())
    .bind(&id)
    .execute(&mut *tx)
    .await?;
    if deleted.rows_affected() == 0 {
        return Ok(JobDeletion::Unknown);
    }
    let open = sqlx::query("select id from intervals where job_id = $1 and state in ('pending', 'running')");
    for row in open.bind(&id).fetch_all(&mut *tx).await? {
        let interval: IntervalId = parsed(&row, "id")?;
        closing::close(&mut tx, interval, IntervalEvent::Cancelled, Some("the job was deleted"), now).await?;
    }
    backfills::cancel_all(&mut tx, job, now).await?;
    sqlx::query("delete from keys where job_id = $1").bind(&id).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(JobDeletion::Deleted)
}

/// Reads a whole row of `jobs`.
pub(super) fn read(row: &Row) -> Result<Job> {
    Ok(Job {
        id: parsed(row, "id")?,
        spec: JobSpec {
            name: row.try_get("name")?,
            workspace_id: row.try_get("workspace_id")?,
            plugin: row.try_get("plugin")?,
            schedule: schedule::read(row)?,
            after: after(row)?,
            rules: json(row, "rules")?,
            enable_recovery: row.try_get("enable_recovery")?,
            work: work(row)?,
        },
        current_interval: current_interval(row)?,
        status: status(row)?,
        failures_in_a_row: number(row, "failures_in_a_row")?,
        warning: row.try_get("warning")?,
        next: next(row)?,
        created_at: instant(row, "created_at")?,
        updated_at: instant(row, "updated_at")?,
    })
}

/// Reads the columns that jobs and intervals have alike.
pub(super) fn work(row: &Row) -> Result<WorkSpec> {
    Ok(WorkSpec {
        payload: row.try_get("payload")?,
        tasks: maybe_number(row, "tasks")?,
        policy: json(row, "policy")?,
        grants: json(row, "grants")?,
        requires: json(row, "requires")?,
    })
}

fn current_interval(row: &Row) -> Result<Option<CurrentInterval>> {
    let Some(id) = maybe_parsed(row, "current_interval_id")? else { return Ok(None) };
    let progress: Option<String> = row.try_get("interval_progress")?;
    let progress = progress.map(|text| serde_json::from_str(&text)).transpose();
    Ok(Some(CurrentInterval {
        id,
        started_at: maybe_instant(row, "interval_started_at")?,
        progress: progress.map_err(|error| StoreError::unreadable("interval_progress", error))?,
    }))
}

fn status(row: &Row) -> Result<JobStatus> {
    let reason: Option<String> = row.try_get("pause_reason")?;
    Ok(reason.map_or(JobStatus::Active, |reason| JobStatus::Paused { reason }))
}

fn next(row: &Row) -> Result<Option<NextFiring>> {
    let (scheduled_at, fire_at) = (maybe_instant(row, "next_scheduled_at")?, maybe_instant(row, "next_fire_at")?);
    Ok(scheduled_at.zip(fire_at).map(|(scheduled_at, fire_at)| NextFiring { scheduled_at, fire_at }))
}

fn after(row: &Row) -> Result<Option<After>> {
    let Some(job) = maybe_parsed(row, "after_job_id")? else { return Ok(None) };
    Ok(Some(After { job, end: word(row, "after_end")? }))
}
