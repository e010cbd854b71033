//! Opens the database, which other hosts may have open, too.

use super::fault::{Fault, fault, reason};
use super::hints::Ear;
use super::servers::Servers;
use super::watch::Watch;
use super::{PostgresStore, migrations};
use crate::store::{Result, StoreError};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _};
use std::sync::Arc;
use std::time::Duration;

/// How long a transaction waits for a connection of the pool.
const ACQUIRE_WAIT: Duration = Duration::from_secs(5);

/// A connection that has been idle for longer is asked whether its server is still there.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// What every connection is told, whatever the server's defaults are: a commit has reached the disk when it is answered,
/// and a host that is stopped in the middle of a transaction, or cut off, holds its locks for so long only.
const SESSION: &str = "select set_config('default_transaction_isolation', 'read committed', false), \
    set_config('idle_in_transaction_session_timeout', '10s', false), \
    set_config('client_connection_check_interval', '2s', false), \
    set_config('tcp_user_timeout', '10s', false), set_config('tcp_keepalives_idle', '5', false), \
    set_config('tcp_keepalives_interval', '2', false), set_config('tcp_keepalives_count', '3', false), \
    case when current_setting('synchronous_commit') = 'off' then set_config('synchronous_commit', 'on', false) end";

/// What a connection is told that takes its time, whatever the server's defaults are.
const PATIENT: &str = "select set_config('idle_in_transaction_session_timeout', '0', false), \
    set_config('statement_timeout', '0', false)";

impl PostgresStore {
    /// Connects to a database and brings its schema to this version; hosts that do so at once take turns.
    ///
    /// `Away` where no server that the URL names takes writes just now.
    pub async fn open(url: &str, connections_max: u32) -> Result<Self> {
        let servers = Servers::of(url)?;
        let first = servers.reach().await?;
        let (number, options) = (first.number, first.options.clone());
        migrations::apply(&options).await.map_err(away_or_not)?;
        let watch = Arc::new(Watch::new(servers, number));
        let (pool, heart) = (pool(&watch, connections_max, options.clone()), pool(&watch, 1, options));
        watch.follow([pool.clone(), heart.clone()]);
        Ok(Self { writer: pool.clone(), reader: pool, heart, objects: None, watch, ear: Ear::new() })
    }

    /// Undoes the migration applied last, and answers with its name; none where there is nothing to undo.
    pub async fn revert(url: &str) -> Result<Option<String>> {
        migrations::revert(Servers::of(url)?.reach().await?.options).await
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.heart.close().await;
        self.writer.close().await;
    }
}

/// Connections, as many as are needed at a time and at most so many.
fn pool(watch: &Arc<Watch>, connections_max: u32, options: PgConnectOptions) -> PgPool {
    let (lender, taker) = (Arc::clone(watch), Arc::clone(watch));
    PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(ACQUIRE_WAIT)
        // By what lends them out, which asks less often.
        .test_before_acquire(false)
        .before_acquire(move |connection, known| {
            let is_trusted = lender.trusts(known.age);
            Box::pin(async move {
                if is_trusted && known.idle_for > TRUSTED_IDLE {
                    // It says nothing where the server is gone; then another one is made.
                    return Ok(connection.ping().await.is_ok());
                }
                Ok(is_trusted)
            })
        })
        .after_release(move |_, known| {
            let is_trusted = taker.trusts(known.age);
            Box::pin(async move { Ok(is_trusted) })
        })
        .after_connect(|connection, _| {
            Box::pin(async move { sqlx::query(SESSION).execute(connection).await.map(|_| ()) })
        })
        .connect_lazy_with(options)
}

/// Opens the database with one connection, and brings its schema to this version, for what is no host and takes its time.
pub(in crate::store) async fn open_alone(url: &str) -> Result<PgConnection> {
    let servers = Servers::of(url)?;
    let options = servers.reach().await?.options;
    migrations::apply(options).await.map_err(away_or_not)?;
    let mut connection = options.connect().await?;
    sqlx::query(PATIENT).execute(&mut connection).await?;
    Ok(connection)
}

/// The same error, as one of a database that is away where it is.
fn away_or_not(error: StoreError) -> StoreError {
    let cause = match &error {
        StoreError::Database(cause)
        | StoreError::Migration(sqlx::migrate::MigrateError::Execute(cause))
        | StoreError::Migration(sqlx::migrate::MigrateError::ExecuteMigration(cause, _)) => cause,
        _ => return error,
    };
    if fault(cause) == Fault::Fatal { error } else { StoreError::Away(reason(cause)) }
}
