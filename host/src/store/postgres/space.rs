//! What the database takes of the disk.

use super::Pool;
use crate::store::{Result, Space};

/// Tells the database's size. Nothing is given back: autovacuum of the server sees to rows that are gone, and their space
/// is used again; what it finds empty at the end of a table it cuts off by itself.
pub(super) async fn give_back(pool: &Pool, _pages_max: u64) -> Result<Space> {
    let pages: i64 = sqlx::query_scalar(
        "select pg_database_size(current_database()) / cast(current_setting('block_size') as bigint)",
    )
    .fetch_one(pool)
    .await?;
    Ok(Space { pages: pages.unsigned_abs(), free: 0 })
}
