//! How far intervals, stages and segments are.

use super::rows::{json, number, parsed, to_json};
use super::{Connection, Pool, Row, SqlStore};
use crate::domain::ids::{IntervalId, TaskIndex};
use crate::domain::plan::Stage;
use crate::domain::progress::Progress;
use crate::domain::stage::StageTally;
use crate::store::{HeldInterval, Result, SegmentRecord, StageRecord, StoreError};
use sqlx::Row as _;

/// Sums the segments first: joined one by one, each stage would walk all of them.
pub(super) const STAGES: &str = "select stages.name, first_index, tasks, waits_for, is_open, \
    cast(coalesce(completed, 0) as bigint) as completed, cast(coalesce(failed, 0) as bigint) as failed, \
    coalesce(unsettled_segments, 0) as unsettled_segments \
    from stages left join (\
      select stage, sum(done_count) as completed, sum(failed_count) as failed, \
        count(*) filter (where state <> 'done') as unsettled_segments \
      from segments where interval_id = $1 group by stage) as tally on tally.stage = stages.number \
    where interval_id = $1 order by number";

/// Finds the job through the interval: `current_interval_id` has no index.
///
/// A job that somebody has locked is left: it is about to show something else, or is published with the next look.
pub(super) const PUBLISH: &str = concat!(
    "update jobs set interval_progress = (\
       select '{\"total\":' || min(intervals.total) || ',\"completed\":' || coalesce(sum(done_count), 0) \
         || ',\"failed\":' || coalesce(sum(failed_count), 0) || ',\"running\":' || coalesce(sum(running_count), 0) || '}' \
       from intervals left join segments on segments.interval_id = intervals.id where intervals.id = $1) \
     where id = (select id from jobs where id = (select job_id from intervals where id = $1)",
    for_no_key_update!(),
    skip_locked!(),
    ") and current_interval_id = $1"
);

/// Of each interval its id and how often it had been reopened.
pub(super) const ENDED_AMONG: &str = concat!(
    "select intervals.id from ",
    elements!("$1"),
    " as held ",
    lookup_join!(),
    " intervals on intervals.id = held.value ->> 0 \
     where state not in ('pending', 'running') or reopened <> cast(held.value ->> 1 as bigint)"
);

pub(super) async fn stages(connection: &mut Connection, interval: IntervalId) -> Result<Vec<StageRecord>> {
    let rows = sqlx::query(STAGES);
    rows.bind(interval.to_string()).fetch_all(connection).await?.iter().map(stage).collect()
}

/// What the domain decides on.
pub(super) fn tally(record: &StageRecord) -> StageTally {
    StageTally {
        name: record.stage.name.clone(),
        waits_for: record.stage.waits_for.clone(),
        is_open: record.is_open,
        unsettled_segments: record.unsettled_segments,
        failed: record.failed,
    }
}

fn stage(row: &Row) -> Result<StageRecord> {
    Ok(StageRecord {
        stage: Stage {
            name: row.try_get("name")?,
            first: number(row, "first_index")?,
            tasks: number(row, "tasks")?,
            waits_for: json(row, "waits_for")?,
        },
        is_open: row.try_get("is_open")?,
        completed: number(row, "completed")?,
        failed: number(row, "failed")?,
        unsettled_segments: number(row, "unsettled_segments")?,
    })
}

pub(super) async fn segments(
    pool: &Pool,
    interval: IntervalId,
    from: TaskIndex,
    limit: u32,
) -> Result<Vec<SegmentRecord>> {
    let rows = sqlx::query(
        "select first_index, length, done, failed, running from segments \
         where interval_id = $1 and first_index + length > $2 order by number limit $3",
    );
    let rows = rows.bind(interval.to_string()).bind(i64::from(from.0)).bind(i64::from(limit)).fetch_all(pool).await?;
    rows.iter().map(|row| Ok(SegmentRecord { first: number(row, "first_index")?, progress: read(row)? })).collect()
}

/// Reads the three bitmaps of a segment's row.
pub(super) fn read(row: &Row) -> Result<Progress> {
    let length: u32 = number(row, "length")?;
    let bitmap = |column| row.try_get::<&[u8], _>(column);
    Progress::from_bytes(length, bitmap("done")?, bitmap("failed")?, bitmap("running")?)
        .map_err(|error| StoreError::unreadable("the progress of a segment", error))
}

pub(super) async fn publish(store: &SqlStore, intervals: &[IntervalId]) -> Result<()> {
    let mut tx = store.begin().await?;
    for interval in intervals {
        sqlx::query(PUBLISH).bind(interval.to_string()).execute(&mut *tx).await?;
    }
    Ok(tx.commit().await?)
}

pub(super) async fn ended_among(pool: &Pool, intervals: &[HeldInterval]) -> Result<Vec<IntervalId>> {
    let held: Vec<_> = intervals.iter().map(|held| (held.id, held.reopened)).collect();
    let rows = sqlx::query(ENDED_AMONG);
    rows.bind(to_json(&held)).fetch_all(pool).await?.iter().map(|row| parsed(row, "id")).collect()
}
