//! What tasks returned.

use super::{Connection, Pool};
use crate::domain::ids::{IntervalId, TaskIndex};
use crate::store::Result;

pub(super) const GET: &str = "select output from outputs where interval_id = $1 and task_index = $2";

pub(super) async fn get(pool: &Pool, interval: IntervalId, index: TaskIndex) -> Result<Option<Vec<u8>>> {
    let output = sqlx::query_scalar(GET).bind(interval.to_string()).bind(i64::from(index.0));
    Ok(output.fetch_optional(pool).await?)
}

/// Keeps what a task returned, if it returned anything.
pub(super) async fn write(
    connection: &mut Connection,
    interval: IntervalId,
    index: TaskIndex,
    output: &[u8],
) -> Result<()> {
    if output.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into outputs (interval_id, task_index, output) values ($1, $2, $3) \
         on conflict (interval_id, task_index) do update set output = excluded.output",
    )
    .bind(interval.to_string())
    .bind(i64::from(index.0))
    .bind(output)
    .execute(connection)
    .await?;
    Ok(())
}
