//! Intervals and their tasks as people see them.

use super::rows::{instant, json, maybe_instant, maybe_number, maybe_parsed, number, parsed};
use super::{Pool, Row};
use crate::domain::ids::{IntervalId, JobId, TaskIndex};
use crate::domain::job::Counts;
use crate::store::{IntervalRecord, LogRecord, Result, TaskNote};
use sqlx::Row as _;
use std::collections::BTreeMap;

/// An open interval's counters are summed from its segments; those of an ended one are final.
macro_rules! select_interval {
    ($rest:literal) => {
        concat!(
            "select i.*, j.plugin, \
             case when i.state = 'running' then (select cast(coalesce(sum(done_count), 0) as bigint) from segments \
               where interval_id = i.id) else i.completed end as completed_now, \
             case when i.state = 'running' then (select cast(coalesce(sum(failed_count), 0) as bigint) from segments \
               where interval_id = i.id) else i.failed end as failed_now, \
             case when i.state = 'running' then (select cast(coalesce(sum(running_count), 0) as bigint) from segments \
               where interval_id = i.id) else 0 end as running_now \
             from intervals i join jobs j on j.id = i.job_id ",
            $rest
        )
    };
}

pub(super) async fn one(pool: &Pool, interval: IntervalId) -> Result<Option<IntervalRecord>> {
    let row = sqlx::query(select_interval!("where i.id = $1")).bind(interval.to_string());
    row.fetch_optional(pool).await?.as_ref().map(read).transpose()
}

pub(super) async fn of_job(pool: &Pool, job: JobId, limit: u32) -> Result<Vec<IntervalRecord>> {
    let rows = sqlx::query(select_interval!("where i.job_id = $1 order by i.fired_at desc, i.id desc limit $2"));
    rows.bind(job.to_string()).bind(i64::from(limit)).fetch_all(pool).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<IntervalRecord> {
    Ok(IntervalRecord {
        id: parsed(row, "id")?,
        job: parsed(row, "job_id")?,
        plugin: row.try_get("plugin")?,
        digest: row.try_get("digest")?,
        origin: row.try_get("origin")?,
        replaces: maybe_parsed(row, "replaces")?,
        caused_by: maybe_parsed(row, "caused_by")?,
        backfill: maybe_parsed(row, "backfill_id")?,
        reopened: number(row, "reopened")?,
        state: parsed(row, "state")?,
        reason: row.try_get("reason")?,
        scheduled_at: instant(row, "scheduled_at")?,
        fired_at: instant(row, "fired_at")?,
        started_at: maybe_instant(row, "started_at")?,
        finished_at: maybe_instant(row, "finished_at")?,
        counts: Counts {
            total: number(row, "total")?,
            completed: number(row, "completed_now")?,
            failed: number(row, "failed_now")?,
            running: number(row, "running_now")?,
        },
        duplicates: number(row, "duplicates")?,
        recovery_attempts: number(row, "recovery_attempts")?,
        requires: json(row, "requires")?,
    })
}

pub(super) async fn task_notes(
    pool: &Pool,
    interval: IntervalId,
    first: TaskIndex,
    last: TaskIndex,
) -> Result<BTreeMap<TaskIndex, TaskNote>> {
    let rows = sqlx::query(
        "select task_index, attempts, crashes, failure_kind, failure_message, retry_at from tasks \
         where interval_id = $1 and task_index between $2 and $3",
    );
    let rows = rows.bind(interval.to_string()).bind(i64::from(first.0)).bind(i64::from(last.0)).fetch_all(pool).await?;
    let mut notes = BTreeMap::new();
    for row in &rows {
        notes.insert(TaskIndex(number(row, "task_index")?), note(row)?);
    }
    let rows =
        sqlx::query("select task_index, output from outputs where interval_id = $1 and task_index between $2 and $3");
    let rows = rows.bind(interval.to_string()).bind(i64::from(first.0)).bind(i64::from(last.0)).fetch_all(pool).await?;
    for row in &rows {
        notes.entry(TaskIndex(number(row, "task_index")?)).or_default().output = row.try_get("output")?;
    }
    Ok(notes)
}

fn note(row: &Row) -> Result<TaskNote> {
    let kind: Option<String> = row.try_get("failure_kind")?;
    let message: Option<String> = row.try_get("failure_message")?;
    Ok(TaskNote {
        attempts: number(row, "attempts")?,
        crashes: number(row, "crashes")?,
        failure: kind.zip(message),
        retry_at: maybe_instant(row, "retry_at")?,
        output: None,
    })
}

pub(super) async fn logs(
    pool: &Pool,
    interval: IntervalId,
    index: Option<TaskIndex>,
    after: i64,
    limit: u32,
) -> Result<Vec<LogRecord>> {
    let rows = sqlx::query(
        "select id, task_index, attempt, at, level, message from logs \
         where interval_id = $1 and id > $2 and ($3 is null or task_index = $3) order by id limit $4",
    );
    let rows =
        rows.bind(interval.to_string()).bind(after).bind(index.map(|index| i64::from(index.0))).bind(i64::from(limit));
    rows.fetch_all(pool).await?.iter().map(log).collect()
}

fn log(row: &Row) -> Result<LogRecord> {
    Ok(LogRecord {
        id: row.try_get("id")?,
        index: maybe_number(row, "task_index")?.map(TaskIndex),
        attempt: number(row, "attempt")?,
        at: instant(row, "at")?,
        level: row.try_get("level")?,
        message: row.try_get("message")?,
    })
}
