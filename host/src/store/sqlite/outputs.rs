//! What tasks returned.

use crate::domain::ids::{IntervalId, TaskIndex};
use crate::store::Result;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqlitePool;

pub(super) const GET: &str = "select output from outputs where interval_id = ? and task_index = ?";

pub(super) async fn get(pool: &SqlitePool, interval: IntervalId, index: TaskIndex) -> Result<Option<Vec<u8>>> {
    let output = sqlx::query_scalar(GET).bind(interval.to_string()).bind(index.0);
    Ok(output.fetch_optional(pool).await?)
}

/// Keeps what a task returned, if it returned anything.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    interval: IntervalId,
    index: TaskIndex,
    output: &[u8],
) -> Result<()> {
    if output.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into outputs (interval_id, task_index, output) values (?, ?, ?) \
         on conflict do update set output = excluded.output",
    )
    .bind(interval.to_string())
    .bind(index.0)
    .bind(output)
    .execute(connection)
    .await?;
    Ok(())
}
