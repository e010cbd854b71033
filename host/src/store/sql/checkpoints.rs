//! What tasks saved in the middle, for their next attempts.

use super::{Connection, Pool, SqlStore, locks};
use crate::domain::ids::{IncarnationId, IntervalId, TaskIndex};
use crate::domain::timestamp::Timestamp;
use crate::store::{CheckpointSave, Result};
use std::collections::BTreeMap;

/// Only a segment's row tells who holds the lease: a task whose segment is held by another saves nothing, nor does one of an
/// incarnation that has ended and whose segments nobody has taken over yet.
pub(super) const SAVE: &str = concat!(
    "with held as materialized (\
       select number from segments where interval_id = $1 and number = $5 and owner = $6 \
       and $2 >= first_index and $2 < first_index + length \
       and exists (select 1 from incarnations where id = $6 and ended_at is null)",
    for_share!(),
    ") insert into checkpoints (interval_id, task_index, bytes, saved_at) \
     select $1, $2, $3, $4 from held where true \
     on conflict (interval_id, task_index) do update set bytes = excluded.bytes, saved_at = excluded.saved_at"
);

pub(super) const GET: &str = "select bytes from checkpoints where interval_id = $1 and task_index = $2";

pub(super) const END: &str = "delete from checkpoints where interval_id = $1 and task_index = $2";

pub(super) const END_ALL: &str = "delete from checkpoints where interval_id = $1";

pub(super) async fn save(
    store: &SqlStore,
    owner: IncarnationId,
    saves: &[CheckpointSave],
    now: Timestamp,
) -> Result<Vec<bool>> {
    let mut tx = store.begin().await?;
    locks::living(&mut tx, owner).await?;
    let mut kept = BTreeMap::new();
    // By segment, as everybody locks several.
    let mut order: Vec<_> = saves.iter().enumerate().collect();
    order.sort_by_key(|(_, save)| (save.interval, save.segment));
    for (place, save) in order {
        let written = sqlx::query(SAVE)
            .bind(save.interval.to_string())
            .bind(i64::from(save.index.0))
            .bind(&save.bytes)
            .bind(now.ms())
            .bind(i64::from(save.segment))
            .bind(owner.to_string())
            .execute(&mut *tx)
            .await?;
        kept.insert(place, written.rows_affected() == 1);
    }
    tx.commit().await?;
    Ok(kept.into_values().collect())
}

pub(super) async fn get(pool: &Pool, interval: IntervalId, index: TaskIndex) -> Result<Option<Vec<u8>>> {
    let bytes = sqlx::query_scalar(GET).bind(interval.to_string()).bind(i64::from(index.0));
    Ok(bytes.fetch_optional(pool).await?)
}

/// Removes the checkpoint of a task that is not called again.
pub(super) async fn end(connection: &mut Connection, interval: IntervalId, index: TaskIndex) -> Result<()> {
    sqlx::query(END).bind(interval.to_string()).bind(i64::from(index.0)).execute(connection).await?;
    Ok(())
}

/// Removes all checkpoints of an interval that has ended.
pub(super) async fn end_all(connection: &mut Connection, interval: IntervalId) -> Result<()> {
    sqlx::query(END_ALL).bind(interval.to_string()).execute(connection).await?;
    Ok(())
}
