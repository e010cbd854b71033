//! What dead incarnations left.

use super::rows::{maybe_number, number, parsed, readable};
use super::transitions::{self, Advanced};
use super::{Connection, Pool, Row, SqlStore, checkpoints, closing, firing, locks, progress};
use crate::domain::ids::{IntervalId, TaskIndex};
use crate::domain::interval::IntervalEvent;
use crate::domain::recovery::{Casualty, Interrupted, Standing, take_over};
use crate::domain::task::FailureKind;
use crate::domain::timestamp::Timestamp;
use crate::store::{IncompleteJob, InterruptedInterval, NewInterval, Result, Resumed, Takeover};
use sqlx::Row as _;
use std::collections::BTreeMap;

pub(super) async fn incomplete_jobs(pool: &Pool) -> Result<Vec<IncompleteJob>> {
    let rows = sqlx::query(
        "select id, current_interval_id, \
           (select cast(coalesce(sum(done_count), 0) as bigint) from segments \
              where interval_id = current_interval_id) as completed \
         from jobs where status = 'active' and is_deleted = false and current_interval_id is not null",
    );
    let read = |row: &Row| {
        Ok(IncompleteJob {
            job: parsed(row, "id")?,
            interval: parsed(row, "current_interval_id")?,
            completed: number(row, "completed")?,
        })
    };
    Ok(readable(&rows.fetch_all(pool).await?, "job", read))
}

pub(super) const INTERRUPTED: &str = "with dead as (\
      select id from incarnations where ended_at is not null or expires_at < $1) \
    select intervals.id, job_id, is_tracked, origin, fruitless_recoveries, settled_before, \
      cast(coalesce(sum(done_count), 0) as bigint) as completed, \
      cast(coalesce(sum(failed_count), 0) as bigint) as failed \
    from intervals left join segments on segments.interval_id = intervals.id \
    where intervals.state in ('pending', 'running') and (intervals.owner in (select id from dead) or intervals.id in (\
      select interval_id from segments where owner is not null and owner in (select id from dead))) \
    group by intervals.id order by fired_at";

pub(super) async fn interrupted(pool: &Pool, expired_before: Timestamp) -> Result<Vec<InterruptedInterval>> {
    let rows = sqlx::query(INTERRUPTED).bind(expired_before.ms()).fetch_all(pool).await?;
    Ok(readable(&rows, "interval", interrupted_interval))
}

fn interrupted_interval(row: &Row) -> Result<InterruptedInterval> {
    let (completed, failed): (u64, u64) = (number(row, "completed")?, number(row, "failed")?);
    Ok(InterruptedInterval {
        id: parsed(row, "id")?,
        job: parsed(row, "job_id")?,
        completed,
        casualty: Casualty {
            is_recoverable: row.try_get("is_tracked")?,
            is_fallback: row.try_get::<&str, _>("origin")? == "fallback",
            fruitless: number(row, "fruitless_recoveries")?,
            settled: completed + failed,
            settled_before: maybe_number(row, "settled_before")?,
        },
    })
}

pub(super) async fn resume(
    store: &SqlStore,
    interval: IntervalId,
    takeover: Takeover,
    now: Timestamp,
) -> Result<Resumed> {
    let id = interval.to_string();
    let mut tx = store.begin().await?;
    bury(&mut tx, interval, takeover.expired_before, now).await?;
    locks::jobs_of(&mut tx, &[interval]).await?;
    locks::intervals(&mut tx, &[interval]).await?;
    let held = sqlx::query(concat!(
        "select number, first_index, length, done, failed, running from segments \
         where interval_id = $1 and owner in (select id from incarnations where ended_at is not null) order by number",
        for_no_key_update!()
    ));
    let held = held.bind(&id).fetch_all(&mut *tx).await?;
    let plans = sqlx::query(
        "update intervals set owner = null \
         where id = $1 and owner in (select id from incarnations where ended_at is not null)",
    );
    let plans = plans.bind(&id).execute(&mut *tx).await?.rows_affected();
    let mut resumed = Resumed::default();
    if held.is_empty() && plans == 0 {
        // Another host was faster.
        return Ok(resumed);
    }
    for row in &held {
        take_segment(&mut tx, interval, row, takeover.attempts_max, &mut resumed).await?;
    }
    // A poison task that was found is a step forward: the next recovery must not count as one that followed nothing.
    sqlx::query(
        "update intervals set recovery_attempts = recovery_attempts + 1, fruitless_recoveries = $1, \
         duplicates = duplicates + $2, settled_before = \
           (select cast(coalesce(sum(done_count + failed_count), 0) as bigint) from segments where interval_id = $3) - $4 \
         where id = $3",
    )
    .bind(i64::from(takeover.fruitless))
    .bind(i64::try_from(resumed.duplicates).unwrap_or(i64::MAX))
    .bind(&id)
    .bind(i64::try_from(resumed.poisoned.len()).unwrap_or(i64::MAX))
    .execute(&mut *tx)
    .await?;
    if !resumed.poisoned.is_empty()
        && let Advanced::Ended(_, state) = transitions::advance(&mut tx, interval, now).await?
    {
        resumed.ended = Some(state);
    }
    tx.commit().await?;
    Ok(resumed)
}

/// Ends the incarnations that are taken over for good: one that comes back late cannot renew its lease.
async fn bury(
    connection: &mut Connection,
    interval: IntervalId,
    expired_before: Timestamp,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(concat!(
        "with dead as materialized (\
           select id from incarnations where ended_at is null and expires_at < $1 and id in (\
             select owner from segments where interval_id = $2 and owner is not null \
             union all select owner from intervals where id = $2 and owner is not null) order by id",
        for_update!(),
        ") update incarnations set ended_at = $3 where id in (select id from dead)"
    ))
    .bind(expired_before.ms())
    .bind(interval.to_string())
    .bind(now.ms())
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes one segment off its dead owner.
async fn take_segment(
    connection: &mut Connection,
    interval: IntervalId,
    row: &Row,
    attempts_max: u32,
    resumed: &mut Resumed,
) -> Result<()> {
    let (segment, first): (u32, u32) = (number(row, "number")?, number(row, "first_index")?);
    let mut progress = progress::read(row)?;
    let crashes = crashes(connection, interval, first, progress.length()).await?;
    for interrupted in take_over(&mut progress, &crashes, attempts_max) {
        let index = TaskIndex(first + interrupted.offset);
        note_crash(connection, interval, index, interrupted).await?;
        match interrupted.standing {
            Standing::Clear | Standing::Suspect => resumed.duplicates += 1,
            Standing::Poison => {
                checkpoints::end(connection, interval, index).await?;
                resumed.poisoned.push(index);
            }
        }
    }
    sqlx::query(concat!(
        "update segments set state = $1, owner = null, failed = $2, failed_count = $3, running = ",
        no_bytes!(),
        ", running_count = 0 where interval_id = $4 and number = $5"
    ))
    .bind(if progress.is_settled() { "done" } else { "free" })
    .bind(progress.failed().to_bytes())
    .bind(i64::from(progress.failed().count()))
    .bind(interval.to_string())
    .bind(i64::from(segment))
    .execute(connection)
    .await?;
    Ok(())
}

async fn crashes(
    connection: &mut Connection,
    interval: IntervalId,
    first: u32,
    length: u32,
) -> Result<BTreeMap<u32, u32>> {
    let rows = sqlx::query(
        "select task_index - $2 as at, crashes from tasks \
         where interval_id = $1 and task_index >= $2 and task_index < $2 + $3 and crashes > 0",
    );
    let rows =
        rows.bind(interval.to_string()).bind(i64::from(first)).bind(i64::from(length)).fetch_all(connection).await?;
    rows.iter().map(|row| Ok((number(row, "at")?, number(row, "crashes")?))).collect()
}

async fn note_crash(
    connection: &mut Connection,
    interval: IntervalId,
    index: TaskIndex,
    interrupted: Interrupted,
) -> Result<()> {
    let poison = (interrupted.standing == Standing::Poison).then(|| {
        let message = format!("the task was in flight in {} crashes of the host", interrupted.crashes);
        (FailureKind::Poison.name(), message)
    });
    let (kind, message) = poison.unzip();
    sqlx::query(
        "insert into tasks (interval_id, task_index, crashes, is_suspect, failure_kind, failure_message) \
         values ($1, $2, $3, $4, $5, $6) \
         on conflict (interval_id, task_index) do update set crashes = excluded.crashes, \
         is_suspect = excluded.is_suspect, \
         failure_kind = coalesce(excluded.failure_kind, tasks.failure_kind), \
         failure_message = coalesce(excluded.failure_message, tasks.failure_message)",
    )
    .bind(interval.to_string())
    .bind(i64::from(index.0))
    .bind(i64::from(interrupted.crashes))
    .bind(interrupted.standing == Standing::Suspect)
    .bind(kind)
    .bind(message)
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn abandon(
    store: &SqlStore,
    interval: IntervalId,
    reason: &str,
    replacement: Option<&NewInterval>,
    now: Timestamp,
) -> Result<()> {
    let mut tx = store.begin().await?;
    locks::jobs_of(&mut tx, &[interval]).await?;
    if !transitions::is_open(&mut tx, interval).await? {
        // Another host was faster.
        return Ok(());
    }
    // The replacement first: the end of an interval that is replaced counts for nothing, and lets go nothing that waits.
    if let Some(replacement) = replacement {
        firing::insert(&mut tx, replacement, now).await?;
    }
    closing::close(&mut tx, interval, IntervalEvent::Abandoned, Some(reason), now).await?;
    Ok(tx.commit().await?)
}
