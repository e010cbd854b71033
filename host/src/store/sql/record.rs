//! The commit that makes completions count.

use super::rows::to_json;
use super::transitions::{self, Advanced};
use super::{Connection, SqlStore, checkpoints, dialect, events, keys, locks, outputs};
use crate::domain::ids::{IncarnationId, IntervalId, TaskIndex};
use crate::domain::segment::SegmentState;
use crate::domain::task::LogLine;
use crate::domain::timestamp::Timestamp;
use crate::domain::worklist::SegmentUpdate;
use crate::store::{Batch, Recorded, RefusedKeys, Result, StoreError, TaskRecord};
use std::collections::BTreeSet;

pub(super) async fn record(store: &SqlStore, owner: IncarnationId, batch: &Batch, now: Timestamp) -> Result<Recorded> {
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
    lock(&mut tx, owner, batch).await?;
    write_segments(&mut tx, owner, &batch.segments).await?;
    let mut refused = Vec::new();
    for task in &batch.tasks {
        refused.extend(write_task(&mut tx, task).await?);
    }
    if !refused.is_empty() {
        return Err(StoreError::KeysOverQuota(refused));
    }
    let mut advanced = Vec::new();
    for interval in touched(batch) {
        advanced.push((interval, transitions::advance(&mut tx, interval, now).await?));
    }
    tx.commit().await?;
    Ok(recorded(advanced))
}

/// The intervals that may open stages or end by a batch.
fn touched(batch: &Batch) -> BTreeSet<IntervalId> {
    let done = batch.segments.iter().filter(|(_, update)| update.state == SegmentState::Done);
    let failed = batch.tasks.iter().filter(|task| matches!(task.failure, Some((_, None))));
    done.map(|(interval, _)| *interval).chain(failed.map(|task| task.interval)).collect()
}

/// Locks what a batch decides about: the jobs whose intervals may end by it or whose keys it writes, and the intervals
/// that may end or of which something is told, so that its order is that of the commits. A batch of bits needs none of it:
/// its statement fences itself.
async fn lock(connection: &mut Connection, owner: IncarnationId, batch: &Batch) -> Result<()> {
    let touched = touched(batch);
    let tells = |task: &&TaskRecord| !task.events.is_empty() || !task.log.is_empty();
    let telling = batch.tasks.iter().filter(tells).map(|task| task.interval);
    let writing = batch.tasks.iter().filter(|task| !task.keys.is_empty()).map(|task| task.interval);
    let jobs: BTreeSet<_> = touched.iter().copied().chain(writing).collect();
    let intervals: BTreeSet<_> = touched.iter().copied().chain(telling).collect();
    if jobs.is_empty() && intervals.is_empty() {
        return Ok(());
    }
    locks::living(connection, owner).await?;
    locks::jobs_of(connection, &Vec::from_iter(jobs)).await?;
    locks::intervals(connection, &Vec::from_iter(intervals)).await
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
/// alone as long as it does not change. Nothing is written for an incarnation that has ended, what others are about to take
/// over must not change any more, nor where the row has seen a later write.
macro_rules! write_segments {
    ($state:literal, $columns:literal) => {
        concat!(
            "with holder as materialized (select id from incarnations where id = $2 and ended_at is null",
            for_key_share!(),
            ") update segments",
            by_primary_key!("segments"),
            " set done = ",
            unhex!("new.done"),
            ", failed = ",
            unhex!("new.failed"),
            ", running = ",
            unhex!("new.running"),
            ", done_count = new.done_count, failed_count = new.failed_count, running_count = new.running_count, \
               revision = new.revision",
            $state,
            " from (select value ->> 0 as interval_id, cast(value ->> 1 as bigint) as number, value ->> 2 as done, \
               value ->> 3 as failed, value ->> 4 as running, cast(value ->> 5 as bigint) as done_count, \
               cast(value ->> 6 as bigint) as failed_count, cast(value ->> 7 as bigint) as running_count, \
               cast(value ->> 8 as bigint) as revision, cast(value ->> 9 as bigint) as epoch",
            $columns,
            " from ",
            elements!("$1"),
            " as listed) as new \
             where segments.interval_id = new.interval_id and segments.number = new.number and segments.owner = $2 \
               and segments.epoch = new.epoch and segments.revision < new.revision and exists (select 1 from holder)"
        )
    };
}

pub(super) const WRITE_LEASED: &str = write_segments!("", "");

pub(super) const WRITE_LET_GO: &str = write_segments!(
    ", state = new.state, wake_at = new.wake_at, owner = null",
    ", value ->> 10 as state, cast(value ->> 11 as bigint) as wake_at"
);

/// The same for one segment, without a detour over JSON.
macro_rules! write_segment {
    ($state:literal) => {
        concat!(
            "with holder as materialized (select id from incarnations where id = $10 and ended_at is null",
            for_key_share!(),
            ") update segments set done = $1, failed = $2, running = $3, done_count = $4, failed_count = $5, \
               running_count = $6, revision = $7",
            $state,
            " where interval_id = $8 and number = $9 and owner = $10 and epoch = $11 and revision < $7 \
               and exists (select 1 from holder)"
        )
    };
}

pub(super) const WRITE_LEASED_ONE: &str = write_segment!("");

pub(super) const WRITE_LET_GO_ONE: &str = write_segment!(", state = $12, wake_at = $13, owner = null");

/// How a segment is written in JSON, in the order of the statements.
type SegmentRow = (IntervalId, u32, String, String, String, u32, u32, u32, i64, u32, &'static str, Option<i64>);

/// Writes segments' rows; `LeaseLost` where the owner no longer holds one of them.
async fn write_segments(
    connection: &mut Connection,
    owner: IncarnationId,
    segments: &[(IntervalId, SegmentUpdate)],
) -> Result<()> {
    let is_leased = |update: &SegmentUpdate| matches!(update.state, SegmentState::Leased { .. });
    for (statement, leased) in [(WRITE_LEASED, true), (WRITE_LET_GO, false)] {
        let mut segments: Vec<_> = segments.iter().filter(|(_, update)| is_leased(update) == leased).collect();
        // By interval and number, as everybody locks several.
        segments.sort_by_key(|(interval, update)| (*interval, update.number));
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

/// Writes one segment's row; `LeaseLost` where the owner no longer holds it, or has ended.
async fn write_segment(
    connection: &mut Connection,
    owner: IncarnationId,
    interval: IntervalId,
    update: &SegmentUpdate,
) -> Result<()> {
    let progress = &update.progress;
    let is_leased = matches!(update.state, SegmentState::Leased { .. });
    let statement = sqlx::query(if is_leased { WRITE_LEASED_ONE } else { WRITE_LET_GO_ONE })
        .bind(progress.done().to_bytes())
        .bind(progress.failed().to_bytes())
        .bind(progress.running().to_bytes())
        .bind(i64::from(progress.done().count()))
        .bind(i64::from(progress.failed().count()))
        .bind(i64::from(progress.running().count()))
        .bind(revision(update))
        .bind(interval.to_string())
        .bind(i64::from(update.number))
        .bind(owner.to_string())
        .bind(i64::from(update.epoch));
    let (state, wake_at) = columns(update.state);
    let statement = if is_leased { statement } else { statement.bind(state).bind(wake_at) };
    let written = statement.execute(connection).await?;
    if written.rows_affected() == 1 { Ok(()) } else { Err(StoreError::LeaseLost(owner)) }
}

/// Writes what a task left; answers with what it may not leave.
async fn write_task(connection: &mut Connection, task: &TaskRecord) -> Result<Option<RefusedKeys>> {
    let interval = task.interval.to_string();
    if let Some((failure, retry_at)) = &task.failure {
        sqlx::query(
            "insert into tasks (interval_id, task_index, attempts, failure_kind, failure_message, retry_at) \
             values ($1, $2, $3, $4, $5, $6) on conflict (interval_id, task_index) \
             do update set attempts = excluded.attempts, \
             failure_kind = excluded.failure_kind, failure_message = excluded.failure_message, \
             retry_at = excluded.retry_at",
        )
        .bind(&interval)
        .bind(i64::from(task.index.0))
        .bind(i64::from(task.attempt))
        .bind(failure.kind.name())
        .bind(dialect::text(&failure.message))
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
    connection: &mut Connection,
    interval: IntervalId,
    index: Option<TaskIndex>,
    attempt: u32,
    lines: &[LogLine],
) -> Result<()> {
    for line in lines {
        sqlx::query(
            "insert into logs (interval_id, task_index, attempt, at, level, message) values ($1, $2, $3, $4, $5, $6)",
        )
        .bind(interval.to_string())
        .bind(index.map(|index| i64::from(index.0)))
        .bind(i64::from(attempt))
        .bind(line.at.ms())
        .bind(line.level.name())
        .bind(dialect::text(&line.message))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
