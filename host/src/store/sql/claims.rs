//! Who works on which segment.

use super::rows::{maybe_instant, number, parsed, to_json};
use super::{Connection, Pool, Row, SqlStore, incarnations, progress, shares};
use crate::domain::ids::{IncarnationId, IntervalId, TaskIndex};
use crate::domain::segment::Span;
use crate::domain::shares::LaneGrant;
use crate::domain::timestamp::Timestamp;
use crate::domain::worklist::{LeasedSegment, Retry};
use crate::store::{Claim, Claimed, Result, StoreError};
use sqlx::{Connection as _, Row as _};
use std::collections::BTreeMap;

// SQLite uses a partial index only where the statement repeats the index's `where`: `state = 'running'` alone would
// walk the whole history.

pub(super) const CLAIMABLE: &str = concat!(
    "select id from intervals \
     where state in ('pending', 'running') and state = 'running' and exists (\
       select 1 from segments where segments.interval_id = intervals.id \
       and segments.state in ('free', 'waiting') and (segments.state = 'free' or wake_at <= $1)) \
     and (requires = '{}' or exists (select 1 from incarnations where incarnations.id = $4 and ",
    labels_meet!("incarnations.labels", "intervals.requires"),
    ")) and id not in (select value from ",
    texts!("$2"),
    " as listed) order by priority desc, fired_at limit $3"
);

pub(super) const NEXT_WAKE_AT: &str = "select min(at) from (\
    select min(plan_at) as at from intervals \
      where state in ('pending', 'running') and state = 'pending' and owner is null \
    union all select min(deadline_at) from intervals \
      where state in ('pending', 'running') and deadline_at is not null \
    union all select min(wake_at) from intervals join segments on segments.interval_id = intervals.id \
      where intervals.state in ('pending', 'running') and intervals.state = 'running' \
      and segments.state in ('free', 'waiting') and segments.state = 'waiting') as wakes";

/// The owner and the interval are locked first, so that neither ends meanwhile, and meet by their labels; of the segments those that somebody else
/// is about to take are passed by.
pub(super) const CLAIM: &str = concat!(
    "with holder as materialized (\
       select id, labels from incarnations \
         where id = $1 and ended_at is null and expires_at >= $3 and drain_at is null",
    for_key_share!(),
    "), life as materialized (\
       select id from intervals where id = $2 and state = 'running' and reopened = $5 \
       and exists (select 1 from holder where requires = '{}' or ",
    labels_meet!("holder.labels", "intervals.requires"),
    ")",
    for_share!(),
    "), taken as materialized (\
       select number from segments where interval_id = $2 and state in ('free', 'waiting') \
       and (state = 'free' or wake_at <= $3) and exists (select 1 from life) order by number limit $4",
    for_update!(),
    skip_locked!(),
    ") update segments set state = 'leased', owner = $1, wake_at = null, epoch = epoch + 1 \
     where interval_id = $2 and number in (select number from taken) \
     returning number, stage, first_index, length, epoch, done, failed, running"
);

pub(super) const MARKED: &str = "select task_index, attempts, retry_at, is_suspect from tasks \
    where interval_id = $1 and task_index >= $2 and task_index < $3 and (retry_at is not null or is_suspect)";

pub(super) const CHECKPOINTED: &str =
    "select task_index from checkpoints where interval_id = $1 and task_index >= $2 and task_index < $3";

pub(super) async fn claimable(
    pool: &Pool,
    owner: IncarnationId,
    now: Timestamp,
    except: &[IntervalId],
    limit: u32,
) -> Result<Vec<IntervalId>> {
    let rows = sqlx::query(CLAIMABLE).bind(now.ms()).bind(to_json(&except)).bind(i64::from(limit));
    let rows = rows.bind(owner.to_string());
    rows.fetch_all(pool).await?.iter().map(|row| parsed(row, "id")).collect()
}

pub(super) async fn next_wake_at(pool: &Pool) -> Result<Option<Timestamp>> {
    let next: Option<i64> = sqlx::query_scalar(NEXT_WAKE_AT).fetch_one(pool).await?;
    Ok(next.map(Timestamp::from_ms))
}

pub(super) async fn claim(store: &SqlStore, claims: &[Claim]) -> Result<Vec<Result<Claimed>>> {
    let Some(Claim { owner, now, .. }) = claims.first() else { return Ok(Vec::new()) };
    let mut tx = store.begin().await?;
    // First, as whoever ends an incarnation locks it before the intervals.
    if !incarnations::is_alive(&mut tx, *owner, *now).await? {
        return Err(StoreError::LeaseLost(*owner));
    }
    let grants = shares::settle(&mut tx, claims).await?;
    let mut claimed = BTreeMap::new();
    // By interval, as everybody locks several.
    let mut order: Vec<_> = claims.iter().zip(grants).enumerate().collect();
    order.sort_by_key(|(_, (claim, _))| claim.interval);
    for (place, (claim, grant)) in order {
        let lanes = match grant {
            Ok(lanes) => lanes,
            Err(damage) => {
                claimed.insert(place, Err(damage));
                continue;
            }
        };
        // A savepoint of its own, so that a damaged interval does not take the others along.
        let mut part = tx.begin().await?;
        match claim_one(&mut part, claim, lanes).await {
            Ok(segments) => {
                part.commit().await?;
                claimed.insert(place, Ok(Claimed { lanes, segments }));
            }
            Err(damage @ StoreError::Unreadable { .. }) => {
                part.rollback().await?;
                claimed.insert(place, Err(damage));
            }
            Err(error) => return Err(error),
        }
    }
    tx.commit().await?;
    Ok(claimed.into_values().collect())
}

async fn claim_one(connection: &mut Connection, claim: &Claim, lanes: LaneGrant) -> Result<Vec<LeasedSegment>> {
    let limit = lanes.portion(claim.limit, claim.lanes.wanted);
    if limit == 0 {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(CLAIM)
        .bind(claim.owner.to_string())
        .bind(claim.interval.to_string())
        .bind(claim.now.ms())
        .bind(i64::from(limit))
        .bind(i64::from(claim.reopened))
        .fetch_all(&mut *connection)
        .await?;
    let mut segments = Vec::new();
    for row in &rows {
        let mut segment = leased(row)?;
        if segment.epoch > 1 {
            read_marks(connection, claim.interval, &mut segment).await?;
            read_checkpointed(connection, claim.interval, &mut segment).await?;
        }
        segments.push(segment);
    }
    // What a statement that writes returns is in no order.
    segments.sort_unstable_by_key(|segment| segment.span.number);
    Ok(segments)
}

fn leased(row: &Row) -> Result<LeasedSegment> {
    let span = Span {
        number: number(row, "number")?,
        stage: number(row, "stage")?,
        first: number(row, "first_index")?,
        length: number(row, "length")?,
    };
    let fresh = LeasedSegment::fresh(span);
    Ok(LeasedSegment { epoch: number(row, "epoch")?, progress: progress::read(row)?, ..fresh })
}

/// Reads which of a segment's tasks wait for a retry, and which must run alone.
async fn read_marks(connection: &mut Connection, interval: IntervalId, segment: &mut LeasedSegment) -> Result<()> {
    let Span { first, length, .. } = segment.span;
    let rows = sqlx::query(MARKED);
    let rows = rows
        .bind(interval.to_string())
        .bind(i64::from(first))
        .bind(i64::from(first + length))
        .fetch_all(connection)
        .await?;
    for row in &rows {
        let index: u32 = number(row, "task_index")?;
        // The row of a task that has succeeded or failed since is only history.
        if !segment.progress.is_idle(index - first) {
            continue;
        }
        if let Some(due_at) = maybe_instant(row, "retry_at")? {
            segment.retries.insert(TaskIndex(index), Retry { attempts: number(row, "attempts")?, due_at });
        }
        if row.try_get("is_suspect")? {
            segment.suspects.insert(TaskIndex(index));
        }
    }
    Ok(())
}

/// Reads of which of a segment's tasks an earlier attempt saved a checkpoint.
async fn read_checkpointed(
    connection: &mut Connection,
    interval: IntervalId,
    segment: &mut LeasedSegment,
) -> Result<()> {
    let Span { first, length, .. } = segment.span;
    let rows =
        sqlx::query(CHECKPOINTED).bind(interval.to_string()).bind(i64::from(first)).bind(i64::from(first + length));
    for row in &rows.fetch_all(connection).await? {
        segment.checkpoints.insert(TaskIndex(number(row, "task_index")?));
    }
    Ok(())
}
