//! What a host asks that cannot be sure: the store did something, and the answer was lost.

use super::SqliteStore;
use super::rows::{number, parsed};
use crate::domain::ids::{IncarnationId, IntervalId, SegmentId};
use crate::domain::interval::IntervalState;
use crate::store::{Batch, Recorded, Result};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqlitePool;
use std::collections::BTreeSet;

pub(super) const HELD: &str = "select interval_id, number from segments where owner is not null and owner = ?";

pub(super) async fn held(pool: &SqlitePool, owner: IncarnationId) -> Result<Vec<SegmentId>> {
    let rows = sqlx::query(HELD).bind(owner.to_string()).fetch_all(pool).await?;
    let read = |row| Ok(SegmentId { interval: parsed(row, "interval_id")?, number: number(row, "number")? });
    rows.iter().map(read).collect()
}

pub(super) async fn give_back(store: &SqliteStore, owner: IncarnationId, segments: &[SegmentId]) -> Result<()> {
    let mut tx = store.begin().await?;
    for segment in segments {
        let freed: Option<i64> =
            sqlx::query_scalar("select running_count from segments where interval_id = ? and number = ? and owner = ?")
                .bind(segment.interval.to_string())
                .bind(segment.number)
                .bind(owner.to_string())
                .fetch_optional(&mut *tx)
                .await?;
        let Some(running) = freed else { continue };
        sqlx::query(
            "update segments set state = 'free', owner = null, running = x'', running_count = 0 \
             where interval_id = ? and number = ?",
        )
        .bind(segment.interval.to_string())
        .bind(segment.number)
        .execute(&mut *tx)
        .await?;
        sqlx::query("update intervals set duplicates = duplicates + ? where id = ?")
            .bind(running)
            .bind(segment.interval.to_string())
            .execute(&mut *tx)
            .await?;
    }
    Ok(tx.commit().await?)
}

pub(super) async fn recorded_before(
    store: &SqliteStore,
    owner: IncarnationId,
    batch: &Batch,
) -> Result<Option<Recorded>> {
    // Behind whatever the writer still does.
    let mut tx = store.begin().await?;
    if !is_written(&mut tx, owner, batch).await? {
        return Ok(None);
    }
    let intervals: BTreeSet<IntervalId> = batch.segments.iter().map(|(interval, _)| *interval).collect();
    let mut recorded = Recorded { has_opened: true, ..Recorded::default() };
    for interval in intervals {
        let row = sqlx::query("select job_id, state from intervals where id = ?").bind(interval.to_string());
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
async fn is_written(connection: &mut SqliteConnection, owner: IncarnationId, batch: &Batch) -> Result<bool> {
    let is_alive: bool =
        sqlx::query_scalar("select exists (select 1 from incarnations where id = ? and ended_at is null)")
            .bind(owner.to_string())
            .fetch_one(&mut *connection)
            .await?;
    for (interval, update) in batch.segments.iter().filter(|_| is_alive) {
        let row = sqlx::query("select revision from segments where interval_id = ? and number = ?");
        let row = row.bind(interval.to_string()).bind(update.number).fetch_optional(&mut *connection).await?;
        if let Some(row) = row
            && number::<u64>(&row, "revision")? == update.revision
        {
            return Ok(true);
        }
    }
    Ok(false)
}
