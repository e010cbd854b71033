//! What jobs have kept of their past.

use super::rows::{instant, json, number, parsed};
use super::{Connection, Pool, Row};
use crate::domain::ids::JobId;
use crate::domain::interval::IntervalState;
use crate::domain::retention::{EndedInterval, History};
use crate::domain::rules::JobRules;
use crate::domain::timestamp::Timestamp;
use crate::store::{JobHistory, Result, StoreError};
use sqlx::Row as _;

/// Names its index: for the sake of `distinct` SQLite would rather walk another one.
pub(super) const ENDED_SINCE: &str = concat!(
    "select distinct job_id as id from intervals",
    by_index!("idx_intervals_finished"),
    " where finished_at is not null and finished_at >= $1"
);

/// Walks the jobs, and asks for each.
const ALL: &str = "select id from jobs where is_deleted \
    or exists (select 1 from intervals where job_id = jobs.id) order by id";

/// Each count is made in an index alone; two of these are partial, their `where` is repeated word for word.
pub(super) const COUNTS: &str = "select \
    (select count(*) from intervals where job_id = $1) as total, \
    (select count(*) from intervals where job_id = $1 and state in ('pending', 'running')) as open, \
    (select count(*) from intervals where job_id = $1 and state in ('skipped', 'coalesced', 'missed')) as unrun";

pub(super) const OLDEST: &str = "select id, state, finished_at, \
    exists (select 1 from intervals as heirs \
      where heirs.replaces = intervals.id and heirs.state in ('pending', 'running')) \
    or exists (select 1 from intervals as heirs \
      where heirs.caused_by = intervals.id and heirs.state in ('pending', 'running')) as is_needed \
    from intervals where job_id = $1 and finished_at is not null order by fired_at limit $2";

pub(super) async fn jobs(pool: &Pool, since: Option<Timestamp>) -> Result<Vec<JobId>> {
    let rows = match since {
        Some(since) => sqlx::query(ENDED_SINCE).bind(since.ms()).fetch_all(pool).await?,
        None => sqlx::query(ALL).fetch_all(pool).await?,
    };
    rows.iter().map(|row| parsed(row, "id")).collect()
}

pub(super) async fn histories(pool: &Pool, jobs: &[JobId], limit: u32) -> Result<Vec<JobHistory>> {
    let mut connection = pool.acquire().await?;
    let mut histories = Vec::new();
    for job in jobs {
        match history(&mut connection, *job, limit).await {
            Ok(history) => histories.extend(history),
            Err(damage @ StoreError::Unreadable { .. }) => {
                tracing::error!(job.id = %job, "The history of job {job} is left as it is: {damage}");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(histories)
}

async fn history(connection: &mut Connection, job: JobId, limit: u32) -> Result<Option<JobHistory>> {
    let id = job.to_string();
    let row = sqlx::query("select rules, is_deleted from jobs where id = $1").bind(&id);
    let Some(row) = row.fetch_optional(&mut *connection).await? else { return Ok(None) };
    let rules: JobRules = json(&row, "rules")?;
    let counts = sqlx::query(COUNTS).bind(&id).fetch_one(&mut *connection).await?;
    let (total, open, unrun): (u64, u64, u64) =
        (number(&counts, "total")?, number(&counts, "open")?, number(&counts, "unrun")?);
    let oldest = sqlx::query(OLDEST).bind(&id).bind(i64::from(limit)).fetch_all(&mut *connection).await?;
    Ok(Some(JobHistory {
        job,
        retention: rules.retention,
        is_deleted: row.try_get("is_deleted")?,
        history: History {
            ran: total.saturating_sub(open + unrun),
            unrun,
            oldest: oldest.iter().map(ended).collect::<Result<_>>()?,
        },
    }))
}

fn ended(row: &Row) -> Result<EndedInterval> {
    Ok(EndedInterval {
        id: parsed(row, "id")?,
        did_run: parsed::<IntervalState>(row, "state")?.did_run(),
        finished_at: instant(row, "finished_at")?,
        is_needed: row.try_get("is_needed")?,
    })
}
