//! The commit that makes completions count.

use super::rows::to_json;
use super::transitions::{self, Advanced};
use super::{SqliteStore, checkpoints, events, keys, outputs};
use crate::domain::ids::{IncarnationId, IntervalId, TaskIndex};
use crate::domain::segment::SegmentState;
use crate::domain::task::LogLine;
use crate::domain::timestamp::Timestamp;
use crate::domain::worklist::SegmentUpdate;
use crate::store::{Batch, Recorded, RefusedKeys, Result, StoreError, TaskRecord};
use sqlx::SqliteConnection;
use std::collections::BTreeSet;

pub(super) async fn record(
    store: &SqliteStore,
    owner: IncarnationId,
    batch: &Batch,
    now: Timestamp,
) -> Result<Recorded> {
    if let ([(interval, update)], []) = (&batch.segments[..], &batch.tasks[..])
        && matches!(update.state, SegmentState::Leased { .. })
    {
        // The ordinary case, tasks that leave nothing but a bit, is one statement and so its own transaction.
        write_segment(&mut *store.writer.acquire().await?, owner, *interval, update).await?;
        return Ok(Recorded::default());
    }
    // Only a segment's row tells who holds the lease; what a task left must not pass it by.
    let fenced: BTreeSet<IntervalId> = batch.segments.iter().map(|(interval, _)| *interval).collect();
    if !batch.tasks.iter().all(|task| fenced.contains(&task.interval)) {
        return Err(StoreError::LeaseLost(owner));
    }
    let mut tx = store.begin().await?;
    write_segments(&mut tx, owner, &batch.segments).await?;
    let mut refused = Vec::new();
    for task in &batch.tasks {
        refused.extend(write_task(&mut tx, task).await?);
    }
    if !refused.is_empty() {
        return Err(StoreError::KeysOverQuota(refused));
    }
    let done = batch.segments.iter().filter(|(_, update)| update.state == SegmentState::Done);
    let failed = batch.tasks.iter().filter(|task| matches!(task.failure, Some((_, None))));
    let touched: BTreeSet<IntervalId> =
        done.map(|(interval, _)| *interval).chain(failed.map(|task| task.interval)).collect();
    let mut advanced = Vec::new();
    for interval in touched {
        advanced.push((interval, transitions::advance(&mut tx, interval, now).await?));
    }
    tx.commit().await?;
    Ok(recorded(advanced))
}

/// What the caller must know of what [`transitions::advance`] did.
pub(super) fn recorded(advanced: impl IntoIterator<Item = (IntervalId, Advanced)>) -> Recorded {
    let mut recorded = Recorded::default();
    for (interval, advanced) in advanced {
        match advanced {
            Advanced::GoesOn => {}
            Advanced::Opened => recorded.has_opened = true,
            Advanced::Ended(job, state) => recorded.ended.push((interval, job, state)),
        }
    }
    recorded
}

/// Many segments at once: each statement is a way to the thread of the database and back. The indices on `state` are left
/// alone as long as it does not change. The index is named, or SQLite walks all that the owner holds
/// and for each of them all that is written.
pub(super) const WRITE_LEASED: &str = "update segments indexed by sqlite_autoindex_segments_1 \
    set done = unhex(new.done), failed = unhex(new.failed), \
    running = unhex(new.running), done_count = new.done_count, failed_count = new.failed_count, \
    running_count = new.running_count, revision = new.revision \
    from (select value ->> 0 as interval_id, value ->> 1 as number, value ->> 2 as done, value ->> 3 as failed, \
      value ->> 4 as running, value ->> 5 as done_count, value ->> 6 as failed_count, value ->> 7 as running_count, \
      value ->> 8 as revision, value ->> 9 as epoch from json_each(?1)) as new \
    where segments.interval_id = new.interval_id and segments.number = new.number and segments.owner = ?2 \
      and segments.epoch = new.epoch \
      and exists (select 1 from incarnations where id = ?2 and ended_at is null)";

pub(super) const WRITE_LET_GO: &str = "update segments indexed by sqlite_autoindex_segments_1 \
    set done = unhex(new.done), failed = unhex(new.failed), \
    running = unhex(new.running), done_count = new.done_count, failed_count = new.failed_count, \
    running_count = new.running_count, revision = new.revision, state = new.state, wake_at = new.wake_at, owner = null \
    from (select value ->> 0 as interval_id, value ->> 1 as number, value ->> 2 as done, value ->> 3 as failed, \
      value ->> 4 as running, value ->> 5 as done_count, value ->> 6 as failed_count, value ->> 7 as running_count, \
      value ->> 8 as revision, value ->> 9 as epoch, value ->> 10 as state, value ->> 11 as wake_at \
      from json_each(?1)) as new \
    where segments.interval_id = new.interval_id and segments.number = new.number and segments.owner = ?2 \
      and segments.epoch = new.epoch \
      and exists (select 1 from incarnations where id = ?2 and ended_at is null)";

/// How a segment is written in JSON, in the order of the statements.
type SegmentRow = (IntervalId, u32, String, String, String, u32, u32, u32, i64, u32, &'static str, Option<i64>);

/// Writes segments' rows; `LeaseLost` where the owner no longer holds one of them.
async fn write_segments(
    connection: &mut SqliteConnection,
    owner: IncarnationId,
    segments: &[(IntervalId, SegmentUpdate)],
) -> Result<()> {
    let is_leased = |update: &SegmentUpdate| matches!(update.state, SegmentState::Leased { .. });
    for (statement, leased) in [(WRITE_LEASED, true), (WRITE_LET_GO, false)] {
        let segments: Vec<_> = segments.iter().filter(|(_, update)| is_leased(update) == leased).collect();
        match segments[..] {
            [] => {}
            [(interval, update)] => write_segment(connection, owner, *interval, update).await?,
            _ => {
                let rows: Vec<SegmentRow> = segments.iter().map(|(interval, update)| row(*interval, update)).collect();
                let statement = sqlx::query(statement).bind(to_json(&rows)).bind(owner.to_string());
                if statement.execute(&mut *connection).await?.rows_affected() != segments.len() as u64 {
                    return Err(StoreError::LeaseLost(owner));
                }
            }
        }
    }
    Ok(())
}

fn row(interval: IntervalId, update: &SegmentUpdate) -> SegmentRow {
    let progress = &update.progress;
    let (done, failed, running) = (progress.done(), progress.failed(), progress.running());
    let (state, wake_at) = columns(update.state);
    (
        interval,
        update.number,
        hex::encode(done.to_bytes()),
        hex::encode(failed.to_bytes()),
        hex::encode(running.to_bytes()),
        done.count(),
        failed.count(),
        running.count(),
        revision(update),
        update.epoch,
        state,
        wake_at,
    )
}

fn revision(update: &SegmentUpdate) -> i64 {
    i64::try_from(update.revision).unwrap_or(i64::MAX)
}

/// The name of a state, and when a waiting segment wakes.
fn columns(state: SegmentState) -> (&'static str, Option<i64>) {
    match state {
        SegmentState::Leased { .. } => ("leased", None),
        SegmentState::Done => ("done", None),
        SegmentState::Waiting { until } => ("waiting", Some(until.ms())),
        SegmentState::Free => ("free", None),
        SegmentState::Blocked => ("blocked", None),
    }
}

/// Writes one segment's row; `LeaseLost` where the owner no longer holds it, or has ended: what others are about to take
/// over must not change any more.
async fn write_segment(
    connection: &mut SqliteConnection,
    owner: IncarnationId,
    interval: IntervalId,
    update: &SegmentUpdate,
) -> Result<()> {
    let progress = &update.progress;
    // The indices on `state` are left alone as long as it does not change.
    let statement = match update.state {
        SegmentState::Leased { .. } => sqlx::query(
            "update segments set done = ?, failed = ?, running = ?, done_count = ?, failed_count = ?, \
             running_count = ?, revision = ? where interval_id = ? and number = ? and owner = ? and epoch = ? \
             and exists (select 1 from incarnations where id = owner and ended_at is null)",
        ),
        _ => sqlx::query(
            "update segments set done = ?, failed = ?, running = ?, done_count = ?, failed_count = ?, \
             running_count = ?, revision = ?, state = ?, wake_at = ?, owner = null \
             where interval_id = ? and number = ? and owner = ? and epoch = ? \
             and exists (select 1 from incarnations where id = owner and ended_at is null)",
        ),
    };
    let statement = statement
        .bind(progress.done().to_bytes())
        .bind(progress.failed().to_bytes())
        .bind(progress.running().to_bytes())
        .bind(progress.done().count())
        .bind(progress.failed().count())
        .bind(progress.running().count())
        .bind(revision(update));
    let statement = match (update.state, columns(update.state)) {
        (SegmentState::Leased { .. }, _) => statement,
        (_, (state, wake_at)) => statement.bind(state).bind(wake_at),
    };
    let statement = statement.bind(interval.to_string()).bind(update.number).bind(owner.to_string()).bind(update.epoch);
    let written = statement.execute(connection).await?;
    if written.rows_affected() == 1 { Ok(()) } else { Err(StoreError::LeaseLost(owner)) }
}

/// Writes what a task left; answers with what it may not leave.
async fn write_task(connection: &mut SqliteConnection, task: &TaskRecord) -> Result<Option<RefusedKeys>> {
    let interval = task.interval.to_string();
    if let Some((failure, retry_at)) = &task.failure {
        sqlx::query(
            "insert into tasks (interval_id, task_index, attempts, failure_kind, failure_message, retry_at) \
             values (?, ?, ?, ?, ?, ?) on conflict do update set attempts = excluded.attempts, \
             failure_kind = excluded.failure_kind, failure_message = excluded.failure_message, \
             retry_at = excluded.retry_at",
        )
        .bind(&interval)
        .bind(task.index.0)
        .bind(task.attempt)
        .bind(failure.kind.name())
        .bind(&failure.message)
        .bind(retry_at.map(Timestamp::ms))
        .execute(&mut *connection)
        .await?;
    }
    if task.ends_checkpoint {
        checkpoints::end(connection, task.interval, task.index).await?;
    }
    outputs::write(connection, task.interval, task.index, &task.output).await?;
    events::insert(connection, task.interval, Some(task.index), &task.events).await?;
    insert_log(connection, task.interval, Some(task.index), task.attempt, &task.log).await?;
    let written = keys::write(connection, task.interval, &task.keys).await?;
    Ok(written.err().map(|over| RefusedKeys { interval: task.interval, index: Some(task.index), over }))
}

/// Appends log lines.
pub(super) async fn insert_log(
    connection: &mut SqliteConnection,
    interval: IntervalId,
    index: Option<TaskIndex>,
    attempt: u32,
    lines: &[LogLine],
) -> Result<()> {
    for line in lines {
        sqlx::query(
            "insert into logs (interval_id, task_index, attempt, at, level, message) values (?, ?, ?, ?, ?, ?)",
        )
        .bind(interval.to_string())
        .bind(index.map(|index| index.0))
        .bind(attempt)
        .bind(line.at.ms())
        .bind(line.level.name())
        .bind(&line.message)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
