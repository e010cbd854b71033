//! Brings the schema to this version, or one version back.

use super::sql::versions::undo_last;
use crate::store::Result;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/postgres");

/// Applies what is not applied yet. The migrator locks the database, so that of many hosts one does it.
pub(super) async fn apply(options: &PgConnectOptions) -> Result<()> {
    let mut connection = options.connect().await?;
    MIGRATIONS.run(&mut connection).await?;
    Ok(connection.close().await?)
}

/// Undoes the migration applied last and answers with its name.
pub(super) async fn revert(options: &PgConnectOptions) -> Result<Option<String>> {
    let mut connection = options.connect().await?;
    let reverted = undo_last(&mut connection, &MIGRATIONS).await?;
    connection.close().await?;
    Ok(reverted)
}
