//! Rows of jobs.

use super::rows::{instant, json, maybe_instant, maybe_number, maybe_parsed, number, parsed, readable, to_json};
use super::{SqliteStore, transitions};
use crate::domain::ids::{IntervalId, JobId};
use crate::domain::interval::IntervalEvent;
use crate::domain::job::{CurrentInterval, Job, JobSpec, WorkSpec};
use crate::domain::schedule::{CronSchedule, Period, Schedule};
use crate::domain::timestamp::Timestamp;
use crate::store::{Result, StoreError};
use sqlx::Row as _;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use std::time::Duration;

pub(super) async fn create(pool: &SqlitePool, job: &Job) -> Result<()> {
    let spec = &job.spec;
    let columns = ScheduleColumns::from(&spec.schedule);
    sqlx::query(
        "insert into jobs (id, workspace_id, name, plugin, type, period_ms, anchor_at, cron, timezone, \
         enable_recovery, next_fire_at, created_at, updated_at, tasks, policy, grants, payload) \
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(job.id.to_string())
    .bind(&spec.workspace_id)
    .bind(&spec.name)
    .bind(&spec.plugin)
    .bind(columns.kind)
    .bind(columns.period_ms)
    .bind(columns.anchor_at)
    .bind(columns.cron)
    .bind(columns.timezone)
    .bind(spec.enable_recovery)
    .bind(job.next_fire_at.map(Timestamp::ms))
    .bind(job.created_at.ms())
    .bind(job.updated_at.ms())
    .bind(spec.work.tasks)
    .bind(to_json(&spec.work.policy))
    .bind(to_json(&spec.work.grants))
    .bind(&spec.work.payload)
    .execute(pool)
    .await?;
    Ok(())
}

pub(super) async fn one(pool: &SqlitePool, job: JobId) -> Result<Option<Job>> {
    let row = sqlx::query("select * from jobs where id = ? and is_deleted = false").bind(job.to_string());
    row.fetch_optional(pool).await?.as_ref().map(read).transpose()
}

pub(super) async fn all(pool: &SqlitePool) -> Result<Vec<Job>> {
    let rows = sqlx::query("select * from jobs where is_deleted = false order by id");
    Ok(readable(&rows.fetch_all(pool).await?, "job", read))
}

pub(super) async fn delete(store: &SqliteStore, job: JobId, now: Timestamp) -> Result<bool> {
    let id = job.to_string();
    let mut tx = store.begin().await?;
    let deleted = sqlx::query(
        "update jobs set is_deleted = true, next_fire_at = null, updated_at = ? where id = ? and is_deleted = false",
    )
    .bind(now.ms())
    .bind(&id)
    .execute(&mut *tx)
    .await?;
    if deleted.rows_affected() == 0 {
        return Ok(false);
    }
    let open = sqlx::query("select id from intervals where job_id = ? and state in ('pending', 'running')");
    for row in open.bind(&id).fetch_all(&mut *tx).await? {
        let interval: IntervalId = parsed(&row, "id")?;
        transitions::close(&mut tx, interval, IntervalEvent::Cancelled, Some("the job was deleted"), now).await?;
    }
    sqlx::query("delete from keys where job_id = ?").bind(&id).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(true)
}

/// Reads a whole row of `jobs`.
pub(super) fn read(row: &SqliteRow) -> Result<Job> {
    Ok(Job {
        id: parsed(row, "id")?,
        spec: JobSpec {
            name: row.try_get("name")?,
            workspace_id: row.try_get("workspace_id")?,
            plugin: row.try_get("plugin")?,
            schedule: schedule(row)?,
            enable_recovery: row.try_get("enable_recovery")?,
            work: work(row)?,
        },
        current_interval: current_interval(row)?,
        next_fire_at: maybe_instant(row, "next_fire_at")?,
        created_at: instant(row, "created_at")?,
        updated_at: instant(row, "updated_at")?,
    })
}

/// Reads the columns that jobs and intervals have alike.
pub(super) fn work(row: &SqliteRow) -> Result<WorkSpec> {
    Ok(WorkSpec {
        payload: row.try_get("payload")?,
        tasks: maybe_number(row, "tasks")?,
        policy: json(row, "policy")?,
        grants: json(row, "grants")?,
    })
}

fn current_interval(row: &SqliteRow) -> Result<Option<CurrentInterval>> {
    let Some(id) = maybe_parsed(row, "current_interval_id")? else { return Ok(None) };
    let progress: Option<String> = row.try_get("interval_progress")?;
    let progress = progress.map(|text| serde_json::from_str(&text)).transpose();
    Ok(Some(CurrentInterval {
        id,
        started_at: maybe_instant(row, "interval_started_at")?,
        progress: progress.map_err(|error| StoreError::unreadable("interval_progress", error))?,
    }))
}

struct ScheduleColumns<'a> {
    kind: &'static str,
    period_ms: Option<i64>,
    anchor_at: Option<i64>,
    cron: Option<&'a str>,
    timezone: Option<&'a str>,
}

impl<'a> From<&'a Schedule> for ScheduleColumns<'a> {
    fn from(schedule: &'a Schedule) -> Self {
        let manual = Self { kind: "manual", period_ms: None, anchor_at: None, cron: None, timezone: None };
        match schedule {
            Schedule::Every { period, anchor } => Self {
                kind: "interval",
                period_ms: Some(i64::try_from(period.every().as_millis()).unwrap_or(i64::MAX)),
                anchor_at: Some(anchor.ms()),
                ..manual
            },
            Schedule::Cron(cron) => {
                Self { kind: "cron", cron: Some(cron.expression()), timezone: Some(cron.timezone()), ..manual }
            }
            Schedule::Manual => manual,
        }
    }
}

fn schedule(row: &SqliteRow) -> Result<Schedule> {
    let kind: String = row.try_get("type")?;
    let unreadable = |error| StoreError::unreadable("schedule", error);
    match kind.as_str() {
        "interval" => {
            let period = Period::new(Duration::from_millis(number(row, "period_ms")?)).map_err(unreadable)?;
            Ok(Schedule::Every { period, anchor: instant(row, "anchor_at")? })
        }
        "cron" => {
            let (cron, timezone): (String, String) = (row.try_get("cron")?, row.try_get("timezone")?);
            Ok(Schedule::Cron(CronSchedule::new(&cron, &timezone).map_err(unreadable)?))
        }
        _ => Ok(Schedule::Manual),
    }
}
