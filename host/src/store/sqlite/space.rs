//! What the database takes of the disk.

use crate::store::{Result, Space};
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqlitePool;

/// The write-ahead log is cut back to this after a checkpoint that found it longer. SQLite begins it anew by itself, in
/// any pause between readers; while they follow each other without one, it grows.
pub(super) const LOG_BYTES_MAX: i64 = 64 << 20;

/// Pages of the log from which on a pause is waited for.
const LOG_PAGES_MAX: i64 = LOG_BYTES_MAX / 4_096;

pub(super) async fn give_back(writer: &SqlitePool, pages_max: u64) -> Result<Space> {
    let mut connection = writer.acquire().await?;
    if pages_max > 0 {
        // A number that we have made; a pragma takes no parameter. Where the file was made without `auto_vacuum`, it
        // does nothing.
        let statement = AssertSqlSafe(format!("pragma incremental_vacuum({pages_max})"));
        sqlx::query(statement).fetch_all(&mut *connection).await?;
    }
    let (_, logged, _): (i64, i64, i64) =
        sqlx::query_as("pragma wal_checkpoint(passive)").fetch_one(&mut *connection).await?;
    if logged > LOG_PAGES_MAX {
        // Holds writers up until the readers of now have ended, which takes as long as the longest query.
        sqlx::query("pragma wal_checkpoint(truncate)").fetch_all(&mut *connection).await?;
    }
    let pages: i64 = sqlx::query_scalar("pragma page_count").fetch_one(&mut *connection).await?;
    let free: i64 = sqlx::query_scalar("pragma freelist_count").fetch_one(&mut *connection).await?;
    Ok(Space { pages: pages.unsigned_abs(), free: free.unsigned_abs() })
}
