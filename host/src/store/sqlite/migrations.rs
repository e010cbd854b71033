//! Brings the schema to this version, or one version back.

use crate::store::Result;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/sqlite");

/// Applies what is not applied yet.
pub(super) async fn apply(options: &SqliteConnectOptions) -> Result<()> {
    let mut connection = connect(options).await?;
    MIGRATIONS.run(&mut connection).await?;
    Ok(connection.close().await?)
}

/// Undoes the migration applied last and answers with its name.
pub(super) async fn revert(options: &SqliteConnectOptions) -> Result<Option<String>> {
    let mut connection = connect(options).await?;
    let reverted = undo_last(&mut connection).await?;
    connection.close().await?;
    Ok(reverted)
}

/// Without foreign keys, as SQLite asks of whoever makes a table anew: dropping the old one would take along the rows
/// that refer to it.
async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection> {
    Ok(options.clone().foreign_keys(false).connect().await?)
}

async fn undo_last(connection: &mut SqliteConnection) -> Result<Option<String>> {
    let exists: bool = sqlx::query_scalar("select count(*) > 0 from sqlite_master where name = '_sqlx_migrations'")
        .fetch_one(&mut *connection)
        .await?;
    if !exists {
        return Ok(None);
    }
    let applied: Vec<i64> = sqlx::query_scalar("select version from _sqlx_migrations order by version desc")
        .fetch_all(&mut *connection)
        .await?;
    let Some(last) = applied.first() else { return Ok(None) };
    MIGRATIONS.undo(&mut *connection, applied.get(1).copied().unwrap_or(0)).await?;
    let name =
        MIGRATIONS.iter().find(|migration| migration.version == *last).map(|found| found.description.to_string());
    Ok(Some(name.unwrap_or_else(|| last.to_string())))
}
