//! Brings the schema to this version, or one version back.

use super::sql::versions::undo_last;
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
    let reverted = undo_last(&mut connection, &MIGRATIONS).await?;
    connection.close().await?;
    Ok(reverted)
}

/// Without foreign keys, as SQLite asks of whoever makes a table anew: dropping the old one would take along the rows
/// that refer to it.
async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection> {
    Ok(options.clone().foreign_keys(false).connect().await?)
}
