//! The versions of the schema that are applied.

use super::{Connection, dialect};
use crate::store::Result;
use sqlx::migrate::Migrator;

/// Undoes the migration applied last and answers with its name.
pub(in super::super) async fn undo_last(connection: &mut Connection, all: &Migrator) -> Result<Option<String>> {
    let exists: bool = sqlx::query_scalar(dialect::HAS_VERSIONS).fetch_one(&mut *connection).await?;
    if !exists {
        return Ok(None);
    }
    let applied: Vec<i64> = sqlx::query_scalar("select version from _sqlx_migrations order by version desc")
        .fetch_all(&mut *connection)
        .await?;
    let Some(last) = applied.first() else { return Ok(None) };
    all.undo(&mut *connection, applied.get(1).copied().unwrap_or(0)).await?;
    let name = all.iter().find(|migration| migration.version == *last).map(|found| found.description.to_string());
    Ok(Some(name.unwrap_or_else(|| last.to_string())))
}
