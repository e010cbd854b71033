//! What tasks saved in the middle, for their next attempts.

use super::SqliteStore;
use crate::domain::ids::{IncarnationId, IntervalId, TaskIndex};
use crate::domain::timestamp::Timestamp;
use crate::store::{CheckpointSave, Result};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqlitePool;

/// Only a segment's row tells who holds the lease: a task whose segment is held by another saves nothing.
pub(super) const SAVE: &str = "insert into checkpoints (interval_id, task_index, bytes, saved_at) \
    select ?1, ?2, ?3, ?4 where exists (\
      select 1 from segments where interval_id = ?1 and number = ?5 and owner = ?6 \
      and ?2 >= first_index and ?2 < first_index + length) \
    on conflict do update set bytes = excluded.bytes, saved_at = excluded.saved_at";

pub(super) const GET: &str = "select bytes from checkpoints where interval_id = ? and task_index = ?";

pub(super) const END: &str = "delete from checkpoints where interval_id = ? and task_index = ?";

pub(super) const END_ALL: &str = "delete from checkpoints where interval_id = ?";

pub(super) async fn save(
    store: &SqliteStore,
    owner: IncarnationId,
    saves: &[CheckpointSave],
    now: Timestamp,
) -> Result<Vec<bool>> {
    let mut tx = store.begin().await?;
    let mut kept = Vec::new();
    for save in saves {
        let written = sqlx::query(SAVE)
            .bind(save.interval.to_string())
            .bind(save.index.0)
            .bind(&save.bytes)
            .bind(now.ms())
            .bind(save.segment)
            .bind(owner.to_string())
            .execute(&mut *tx)
            .await?;
        kept.push(written.rows_affected() == 1);
    }
    tx.commit().await?;
    Ok(kept)
}

pub(super) async fn get(pool: &SqlitePool, interval: IntervalId, index: TaskIndex) -> Result<Option<Vec<u8>>> {
    let bytes = sqlx::query_scalar(GET).bind(interval.to_string()).bind(index.0);
    Ok(bytes.fetch_optional(pool).await?)
}

/// Removes the checkpoint of a task that is not called again.
pub(super) async fn end(connection: &mut SqliteConnection, interval: IntervalId, index: TaskIndex) -> Result<()> {
    sqlx::query(END).bind(interval.to_string()).bind(index.0).execute(connection).await?;
    Ok(())
}

/// Removes all checkpoints of an interval that has ended.
pub(super) async fn end_all(connection: &mut SqliteConnection, interval: IntervalId) -> Result<()> {
    sqlx::query(END_ALL).bind(interval.to_string()).execute(connection).await?;
    Ok(())
}
