//! Past ranges of schedules that are run again.

use super::rows::{instant, maybe_instant, number, parsed, readable, to_word, word};
use super::{Connection, Pool, Row, SqlStore, closing, firing, jobs, locks};
use crate::domain::backfill::{Backfill, BackfillState, History, PRIORITY};
use crate::domain::ids::{BackfillId, JobId};
use crate::domain::interval::IntervalEvent;
use crate::domain::timestamp::Timestamp;
use crate::store::{BackfillRecord, BackfillStep, Result, RunningBackfill};

pub(super) async fn create(store: &SqlStore, backfill: &Backfill) -> Result<bool> {
    let kept = sqlx::query(
        "insert into backfills (id, job_id, mode, state, from_at, until_at, next_at, max_parallel, planned, \
           created_at) \
         select $1, id, $2, $3, $4, $5, $6, $7, $8, $9 from jobs where id = $10 and is_deleted = false",
    )
    .bind(backfill.id.to_string())
    .bind(to_word(&backfill.mode))
    .bind(to_word(&backfill.state))
    .bind(backfill.from.ms())
    .bind(backfill.until.ms())
    .bind(backfill.next_at.ms())
    .bind(i64::from(backfill.max_parallel))
    .bind(i64::try_from(backfill.planned).unwrap_or(i64::MAX))
    .bind(backfill.created_at.ms())
    .bind(backfill.job.to_string())
    .execute(&store.writer)
    .await?;
    Ok(kept.rows_affected() == 1)
}

/// A backfill with the ends of its intervals.
macro_rules! select_backfill {
    ($rest:literal) => {
        concat!(
            "select backfills.*, \
             (select count(*) from intervals where backfill_id = backfills.id and backfill_id is not null \
               and state in ('pending', 'running')) as open, \
             (select count(*) from intervals where backfill_id = backfills.id and backfill_id is not null \
               and state = 'succeeded') as succeeded, \
             (select count(*) from intervals where backfill_id = backfills.id and backfill_id is not null \
               and state in ('failed', 'abandoned') and not exists (\
                 select 1 from intervals as other where other.replaces = intervals.id)) as failed \
             from backfills ",
            $rest
        )
    };
}

pub(super) async fn one(pool: &Pool, backfill: BackfillId) -> Result<Option<BackfillRecord>> {
    let row = sqlx::query(select_backfill!("where id = $1")).bind(backfill.to_string());
    row.fetch_optional(pool).await?.as_ref().map(record).transpose()
}

pub(super) async fn of_job(pool: &Pool, job: JobId, limit: u32) -> Result<Vec<BackfillRecord>> {
    let rows = sqlx::query(select_backfill!("where job_id = $1 order by created_at desc, id desc limit $2"));
    rows.bind(job.to_string()).bind(i64::from(limit)).fetch_all(pool).await?.iter().map(record).collect()
}

fn record(row: &Row) -> Result<BackfillRecord> {
    Ok(BackfillRecord {
        backfill: read(row)?,
        open: number(row, "open")?,
        succeeded: number(row, "succeeded")?,
        failed: number(row, "failed")?,
    })
}

fn read(row: &Row) -> Result<Backfill> {
    Ok(Backfill {
        id: parsed(row, "id")?,
        job: parsed(row, "job_id")?,
        mode: word(row, "mode")?,
        state: word(row, "state")?,
        from: instant(row, "from_at")?,
        until: instant(row, "until_at")?,
        next_at: instant(row, "next_at")?,
        max_parallel: number(row, "max_parallel")?,
        planned: number(row, "planned")?,
        fired: number(row, "fired")?,
        created_at: instant(row, "created_at")?,
        finished_at: maybe_instant(row, "finished_at")?,
    })
}

pub(super) async fn cancel(store: &SqlStore, backfill: BackfillId, now: Timestamp) -> Result<bool> {
    let mut tx = store.begin().await?;
    lock_job(&mut tx, backfill).await?;
    if !end(&mut tx, backfill, BackfillState::Cancelled, now).await? {
        return Ok(false);
    }
    let open = sqlx::query(
        "select id from intervals where backfill_id = $1 and backfill_id is not null \
         and state in ('pending', 'running')",
    );
    let reason = format!("backfill {backfill} was cancelled");
    for row in open.bind(backfill.to_string()).fetch_all(&mut *tx).await? {
        closing::close(&mut tx, parsed(&row, "id")?, IntervalEvent::Cancelled, Some(&reason), now).await?;
    }
    tx.commit().await?;
    Ok(true)
}

/// Nobody else decides about the job's intervals meanwhile.
async fn lock_job(connection: &mut Connection, backfill: BackfillId) -> Result<()> {
    let job = sqlx::query("select job_id from backfills where id = $1").bind(backfill.to_string());
    match job.fetch_optional(&mut *connection).await? {
        Some(row) => locks::jobs(connection, &[parsed(&row, "job_id")?]).await,
        None => Ok(()),
    }
}

/// Ends the backfills of a job that is deleted.
pub(super) async fn cancel_all(connection: &mut Connection, job: JobId, now: Timestamp) -> Result<()> {
    sqlx::query("update backfills set state = 'cancelled', finished_at = $1 where job_id = $2 and state = 'running'")
        .bind(now.ms())
        .bind(job.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

async fn end(connection: &mut Connection, backfill: BackfillId, state: BackfillState, now: Timestamp) -> Result<bool> {
    let ended = sqlx::query("update backfills set state = $1, finished_at = $2 where id = $3 and state = 'running'");
    let ended = ended.bind(to_word(&state)).bind(now.ms()).bind(backfill.to_string()).execute(connection).await?;
    Ok(ended.rows_affected() == 1)
}

/// Of each job the oldest, so that two backfills of one job follow one another.
pub(super) const RUNNING: &str = "select jobs.*, backfills.id as backfill_id, \
      (select count(*) from intervals where job_id = jobs.id and state in ('pending', 'running') \
        and backfill_id is null) as live, \
      (select count(*) from intervals where job_id = jobs.id and state in ('pending', 'running') \
        and backfill_id is not null) as open \
    from backfills join jobs on jobs.id = backfills.job_id where backfills.state = 'running' and not exists (\
      select 1 from backfills as earlier where earlier.state = 'running' and earlier.job_id = backfills.job_id \
      and (earlier.created_at, earlier.id) < (backfills.created_at, backfills.id))";

pub(super) async fn running(pool: &Pool) -> Result<Vec<RunningBackfill>> {
    let rows = sqlx::query(RUNNING).fetch_all(pool).await?;
    let due = readable(&rows, "job", |row| {
        let id: BackfillId = parsed(row, "backfill_id")?;
        Ok((id, jobs::read(row)?, number(row, "live")?, number(row, "open")?))
    });
    let mut running = Vec::new();
    for (id, job, live, open) in due {
        let row = sqlx::query("select * from backfills where id = $1").bind(id.to_string());
        let backfill = read(&row.fetch_one(pool).await?)?;
        running.push(RunningBackfill { backfill, job, live, open });
    }
    Ok(running)
}

/// No firing of the schedule is found before it is due, so the index by `fired_at` has all of them behind `from`.
pub(super) const HISTORY: &str = "select scheduled_at, state, fired_at, id from intervals \
    where job_id = $1 and fired_at >= $2 and scheduled_at between $2 and $3 and origin = 'schedule' \
    union all select scheduled_at, state, fired_at, id from intervals \
    where job_id = $1 and scheduled_at between $2 and $3 and origin in ('backfill', 'fallback', 'upgrade') \
    order by scheduled_at, fired_at, id";

pub(super) async fn history(pool: &Pool, job: JobId, from: Timestamp, until: Timestamp) -> Result<History> {
    let rows = sqlx::query(HISTORY).bind(job.to_string()).bind(from.ms()).bind(until.ms());
    let mut history = History::new();
    for row in &rows.fetch_all(pool).await? {
        history.entry(instant(row, "scheduled_at")?).or_default().push(parsed(row, "state")?);
    }
    Ok(history)
}

pub(super) async fn advance(store: &SqlStore, step: &BackfillStep, now: Timestamp) -> Result<bool> {
    let id = step.id.to_string();
    let mut tx = store.begin().await?;
    lock_job(&mut tx, step.id).await?;
    let moved = sqlx::query(
        "update backfills set next_at = $1, fired = fired + $2 \
         where id = $3 and next_at = $4 and state = 'running' and ($2 = 0 or not exists (\
           select 1 from intervals where job_id = backfills.job_id and state in ('pending', 'running') \
           and backfill_id is null))",
    )
    .bind(step.next_at.ms())
    .bind(i64::try_from(step.fire.len()).unwrap_or(i64::MAX))
    .bind(&id)
    .bind(step.was_at.ms())
    .execute(&mut *tx)
    .await?;
    if moved.rows_affected() == 0 {
        return Ok(false);
    }
    for interval in &step.fire {
        firing::insert(&mut tx, interval, now).await?;
        sqlx::query("update intervals set priority = $1 where id = $2")
            .bind(i64::from(PRIORITY))
            .bind(interval.firing.interval.to_string())
            .execute(&mut *tx)
            .await?;
    }
    let rest = sqlx::query(
        "select 1 from backfills where id = $1 and (next_at < until_at or exists (\
           select 1 from intervals where backfill_id = $1 and backfill_id is not null \
           and state in ('pending', 'running')))",
    );
    if rest.bind(&id).fetch_optional(&mut *tx).await?.is_none() {
        end(&mut tx, step.id, BackfillState::Finished, now).await?;
    }
    tx.commit().await?;
    Ok(true)
}
