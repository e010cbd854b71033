//! What a host asks that cannot be sure: the store did something, and the answer was lost.

use super::rows::{number, parsed};
use super::{Connection, Pool, SqlStore, locks};
use crate::domain::ids::{IncarnationId, IntervalId, SegmentId};
use crate::domain::interval::IntervalState;
use crate::store::{Batch, Recorded, Result};
use std::collections::BTreeSet;

pub(super) const HELD: &str = "select interval_id, number from segments where owner is not null and owner = $1";

/// Waits for a write of the segment whose answer was lost and that has not ended yet; one that has not come as far as the
/// segment is refused when it does, if the same is written before: its revision is not larger any more.
const REVISION: &str =
    concat!("select revision from segments where interval_id = $1 and number = $2", for_no_key_update!());

pub(super) async fn held(pool: &Pool, owner: IncarnationId) -> Result<Vec<SegmentId>> {
    let rows = sqlx::query(HELD).bind(owner.to_string()).fetch_all(pool).await?;
    let read = |row| Ok(SegmentId { interval: parsed(row, "interval_id")?, number: number(row, "number")? });
    rows.iter().map(read).collect()
}

pub(super) async fn give_back(store: &SqlStore, owner: IncarnationId, segments: &[SegmentId]) -> Result<()> {
    let mut tx = store.begin().await?;
    locks::living(&mut tx, owner).await?;
    let intervals: Vec<_> = segments.iter().map(|segment| segment.interval).collect();
    locks::intervals(&mut tx, &intervals).await?;
    for segment in segments {
        let freed: Option<i64> = sqlx::query_scalar(concat!(
            "select running_count from segments where interval_id = $1 and number = $2 and owner = $3",
            for_no_key_update!()
        ))
        .bind(segment.interval.to_string())
        .bind(i64::from(segment.number))
        .bind(owner.to_string())
        .fetch_optional(&mut *tx)
        .await?;
        let Some(running) = freed else { continue };
        sqlx::query(concat!(
            "update segments set state = 'free', owner = null, running = ",
            no_bytes!(),
            ", running_count = 0 where interval_id = $1 and number = $2"
        ))
        .bind(segment.interval.to_string())
        .bind(i64::from(segment.number))
        .execute(&mut *tx)
        .await?;
        sqlx::query("update intervals set duplicates = duplicates + $1 where id = $2")
            .bind(running)
            .bind(segment.interval.to_string())
            .execute(&mut *tx)
            .await?;
    }
    Ok(tx.commit().await?)
}

pub(super) async fn recorded_before(store: &SqlStore, owner: IncarnationId, batch: &Batch) -> Result<Option<Recorded>> {
    // Behind whatever the writer still does.
    let mut tx = store.begin().await?;
    if !is_written(&mut tx, owner, batch).await? {
        return Ok(None);
    }
    let intervals: BTreeSet<IntervalId> = batch.segments.iter().map(|(interval, _)| *interval).collect();
    let mut recorded = Recorded { has_opened: true, ..Recorded::default() };
    for interval in intervals {
        let row = sqlx::query("select job_id, state from intervals where id = $1").bind(interval.to_string());
        let row = row.fetch_one(&mut *tx).await?;
        let state: IntervalState = parsed(&row, "state")?;
        if !state.is_open() {
            recorded.ended.push((interval, parsed(&row, "job_id")?, state));
        }
    }
    Ok(Some(recorded))
}

/// Whether the batch is what was written last. No other write of a segment ever has its revision, and all of a batch is
/// written or nothing: any segment that nobody has written since tells. Where others have written them all, nothing of it
/// may be written any more, and so what is answered is that.
async fn is_written(connection: &mut Connection, owner: IncarnationId, batch: &Batch) -> Result<bool> {
    locks::living(connection, owner).await?;
    let is_alive: bool =
        sqlx::query_scalar("select exists (select 1 from incarnations where id = $1 and ended_at is null)")
            .bind(owner.to_string())
            .fetch_one(&mut *connection)
            .await?;
    for (interval, update) in batch.segments.iter().filter(|_| is_alive) {
        let row = sqlx::query(REVISION).bind(interval.to_string()).bind(i64::from(update.number));
        let row = row.fetch_optional(&mut *connection).await?;
        if let Some(row) = row
            && number::<u64>(&row, "revision")? == update.revision
        {
            return Ok(true);
        }
    }
    Ok(false)
}
