//! Opens an ended interval again, so that what has not completed of it runs.

use super::rows::{json, maybe_parsed, number, parsed};
use super::{Connection, Row, SqlStore, locks, progress, transitions};
use crate::domain::ids::{IntervalId, JobId};
use crate::domain::interval::{IntervalState, Reopening};
use crate::domain::job::Policy;
use crate::domain::reopening::{Retried, reopen};
use crate::domain::timestamp::Timestamp;
use crate::store::{Result, Retrial};
use sqlx::Row as _;

pub(super) async fn retry(store: &SqlStore, interval: IntervalId, now: Timestamp) -> Result<Retrial> {
    let mut tx = store.begin().await?;
    locks::jobs_of(&mut tx, &[interval]).await?;
    locks::intervals(&mut tx, &[interval]).await?;
    let row = sqlx::query(
        "select ended.job_id, ended.state, ended.started_at, ended.digest, ended.policy, is_deleted, \
           (select id from intervals where replaces = ended.id) as replaced_by \
         from intervals as ended join jobs on jobs.id = ended.job_id where ended.id = $1",
    );
    let Some(row) = row.bind(interval.to_string()).fetch_optional(&mut *tx).await? else {
        return Ok(Retrial::Unknown);
    };
    let state = match reopen(retried(&row)?) {
        Ok(state) => state,
        Err(refusal) => return Ok(Retrial::Refused(refusal)),
    };
    let policy: Policy = json(&row, "policy")?;
    let job: JobId = parsed(&row, "job_id")?;
    open_interval(&mut tx, interval, state, &policy, now).await?;
    clear_failures(&mut tx, interval).await?;
    transitions::show_next_open(&mut tx, job).await?;
    tx.commit().await?;
    Ok(Retrial::Reopened)
}

fn retried(row: &Row) -> Result<Retried> {
    let started_at: Option<i64> = row.try_get("started_at")?;
    let digest: Option<&str> = row.try_get("digest")?;
    Ok(Retried {
        state: parsed(row, "state")?,
        reopening: if started_at.is_some() { Reopening::Planned } else { Reopening::Unplanned },
        replaced_by: maybe_parsed(row, "replaced_by")?,
        has_version: digest.is_some(),
        is_job_deleted: row.try_get("is_deleted")?,
    })
}

/// Whoever has worked on it before must let go, hence `reopened`; its time limit, retries and recoveries count anew.
async fn open_interval(
    connection: &mut Connection,
    interval: IntervalId,
    state: IntervalState,
    policy: &Policy,
    now: Timestamp,
) -> Result<()> {
    let deadline = policy.interval_timeout.filter(|_| state == IntervalState::Running).map(|span| now + span);
    sqlx::query(
        "update intervals set state = $1, reason = null, finished_at = null, owner = null, is_queued = false, \
         reopened = reopened + 1, plan_attempts = 0, plan_at = null, deadline_at = $2, fruitless_recoveries = 0, \
         settled_before = null where id = $3",
    )
    .bind(state.name())
    .bind(deadline.map(Timestamp::ms))
    .bind(interval.to_string())
    .execute(connection)
    .await?;
    Ok(())
}

/// Frees the segments with work left; the bits of completed tasks and the epochs stay.
async fn clear_failures(connection: &mut Connection, interval: IntervalId) -> Result<()> {
    let id = interval.to_string();
    let noted = sqlx::query(
        "select number, first_index, length, done, failed, running from segments where interval_id = $1 and exists (\
           select 1 from tasks where interval_id = $1 and task_index >= first_index \
           and task_index < first_index + length)",
    );
    for row in noted.bind(&id).fetch_all(&mut *connection).await? {
        renew_attempts(connection, interval, &row).await?;
    }
    sqlx::query(concat!(
        "update segments set state = 'free', wake_at = null, failed = ",
        no_bytes!(),
        ", failed_count = 0 where interval_id = $1 \
         and state in ('free', 'waiting', 'done') and (failed_count > 0 or state = 'waiting')"
    ))
    .bind(&id)
    .execute(connection)
    .await?;
    Ok(())
}

/// Gives the tasks of a segment that have not completed a fresh budget; why they failed stays, for whoever looks.
async fn renew_attempts(connection: &mut Connection, interval: IntervalId, segment: &Row) -> Result<()> {
    let (first, progress) = (number::<u32>(segment, "first_index")?, progress::read(segment)?);
    let tasks =
        sqlx::query("select task_index from tasks where interval_id = $1 and task_index >= $2 and task_index < $3");
    let tasks = tasks.bind(interval.to_string()).bind(i64::from(first)).bind(i64::from(first + progress.length()));
    for task in tasks.fetch_all(&mut *connection).await? {
        let index: u32 = number(&task, "task_index")?;
        if progress.done().contains(index - first) {
            continue;
        }
        sqlx::query(
            "update tasks set attempts = 0, crashes = 0, retry_at = null, is_suspect = false \
             where interval_id = $1 and task_index = $2",
        )
        .bind(interval.to_string())
        .bind(i64::from(index))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
