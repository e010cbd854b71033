//! Brings the schema to this version, or one version back.

use crate::store::Result;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqlitePool;

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/sqlite");

/// Applies what is not applied yet.
pub(super) async fn apply(pool: &SqlitePool) -> Result<()> {
    Ok(MIGRATIONS.run(pool).await?)
}

/// Undoes the migration applied last and answers with its name.
pub(super) async fn revert(pool: &SqlitePool) -> Result<Option<String>> {
    let exists: bool = sqlx::query_scalar("select count(*) > 0 from sqlite_master where name = '_sqlx_migrations'")
        .fetch_one(pool)
        .await?;
    if !exists {
        return Ok(None);
    }
    let applied: Vec<i64> =
        sqlx::query_scalar("select version from _sqlx_migrations order by version desc").fetch_all(pool).await?;
    let Some(last) = applied.first() else { return Ok(None) };
    MIGRATIONS.undo(pool, applied.get(1).copied().unwrap_or(0)).await?;
    let name =
        MIGRATIONS.iter().find(|migration| migration.version == *last).map(|found| found.description.to_string());
    Ok(Some(name.unwrap_or_else(|| last.to_string())))
}
