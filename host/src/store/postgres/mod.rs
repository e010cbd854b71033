//! The store on PostgreSQL: many hosts at once, at READ COMMITTED.

#[macro_use]
mod dialect;
mod connect;
mod fault;
mod hints;
mod locks;
mod migrations;
mod patience;
mod servers;
mod space;
#[path = "../sql/mod.rs"]
#[expect(clippy::duplicate_mod, reason = "written once, compiled for each database")]
mod sql;
mod watch;

pub(super) use connect::open_alone;

use super::{Objects, Result, StoreError};
use backon::{ExponentialBuilder, Retryable as _};
use fault::{Fault, fault};
use sqlx::Transaction;
use sqlx::postgres::{PgConnection as Connection, PgPool as Pool, PgRow as Row, Postgres as Database};
use std::sync::Arc;
use std::time::Duration;
use watch::Watch;

/// A PostgreSQL database that any number of hosts may share.
pub struct PostgresStore {
    writer: Pool,
    /// The same pool: readers wait for no writer here.
    reader: Pool,
    /// One connection for the lease alone, which waits for nothing that others wait for.
    heart: Pool,
    ear: hints::Ear,
    watch: Arc<Watch>,
    /// Where the bytes of plugins are written to, unless that is the database.
    objects: Option<Objects>,
}

/// What the shared modules call it.
type SqlStore = PostgresStore;

/// How often a transaction is begun anew that others got in the way of.
const CONFLICTS_MAX: usize = 12;

/// The first of the waits before that, which double.
const CONFLICT_WAIT: Duration = Duration::from_millis(2);

/// The longest of them.
const CONFLICT_WAIT_MAX: Duration = Duration::from_millis(250);

impl PostgresStore {
    /// Has the bytes of plugins written to objects, where there is a place for any.
    #[must_use]
    pub fn with_objects(self, objects: Option<Objects>) -> Self {
        Self { objects, ..self }
    }

    /// What renews the lease.
    fn heart(&self) -> &Pool {
        &self.heart
    }

    /// Begins a transaction that writes.
    async fn begin(&self) -> Result<Transaction<'_, Database>> {
        Ok(self.writer.begin().await?)
    }

    /// Carries out a transaction, again where others got in its way: then nothing of it has been done.
    async fn write<T, F: Future<Output = Result<T>>>(&self, transaction: impl Fn() -> F) -> Result<T> {
        let waits = ExponentialBuilder::default()
            .with_min_delay(CONFLICT_WAIT)
            .with_max_delay(CONFLICT_WAIT_MAX)
            .with_max_times(CONFLICTS_MAX)
            .with_jitter();
        let written = transaction.retry(waits).when(is_conflict).await?;
        self.watch.note_write();
        Ok(written)
    }
}

/// Whether PostgreSQL ended a transaction for the sake of another one: a deadlock, or an order that cannot be.
fn is_conflict(error: &StoreError) -> bool {
    matches!(error, StoreError::Database(error) if fault(error) == Fault::Conflict)
}
