//! Opens the database, which other hosts may have open, too.

use super::{PostgresStore, migrations};
use crate::store::{Result, StoreError};
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use std::str::FromStr as _;
use std::time::Duration;

/// How long a transaction waits for a connection of the pool.
const ACQUIRE_WAIT: Duration = Duration::from_secs(10);

/// What every connection is told, whatever the server's defaults are: a commit has reached the disk when it is answered,
/// and a host that is stopped in the middle of a transaction holds its locks for so long only.
const SESSION: &str = "select set_config('default_transaction_isolation', 'read committed', false), \
    set_config('idle_in_transaction_session_timeout', '10s', false), \
    case when current_setting('synchronous_commit') = 'off' then set_config('synchronous_commit', 'on', false) end";

/// What a connection is told that takes its time, whatever the server's defaults are.
const PATIENT: &str = "select set_config('idle_in_transaction_session_timeout', '0', false), \
    set_config('statement_timeout', '0', false)";

impl PostgresStore {
    /// Connects to a database and brings its schema to this version; hosts that do so at once take turns.
    pub async fn open(url: &str, connections_max: u32) -> Result<Self> {
        let options = options(url)?;
        migrations::apply(&options).await?;
        let pool = PgPoolOptions::new()
            .max_connections(connections_max)
            .acquire_timeout(ACQUIRE_WAIT)
            .after_connect(|connection, _| {
                Box::pin(async move { sqlx::query(SESSION).execute(connection).await.map(|_| ()) })
            })
            .connect_with(options)
            .await?;
        Ok(Self { writer: pool.clone(), reader: pool, objects: None })
    }

    /// Undoes the migration applied last, and answers with its name; none where there is nothing to undo.
    pub async fn revert(url: &str) -> Result<Option<String>> {
        migrations::revert(&options(url)?).await
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.writer.close().await;
    }
}

/// Opens the database with one connection, and brings its schema to this version, for what is no host and takes its time.
pub(in crate::store) async fn open_alone(url: &str) -> Result<PgConnection> {
    let options = options(url)?;
    migrations::apply(&options).await?;
    let mut connection = options.connect().await?;
    sqlx::query(PATIENT).execute(&mut connection).await?;
    Ok(connection)
}

fn options(url: &str) -> Result<PgConnectOptions> {
    Ok(PgConnectOptions::from_str(url).map_err(StoreError::from)?.application_name("latchwork"))
}
