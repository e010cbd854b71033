//! The store on SQLite: the embedded default, one host.

#[macro_use]
mod dialect;
mod connect;
mod hints;
mod locks;
mod migrations;
mod space;
#[path = "../sql/mod.rs"]
mod sql;

pub(super) use connect::{FileLock, open_alone};

use super::{Objects, Result};
use crate::domain::presence::Presence;
use sqlx::Transaction;
use sqlx::sqlite::{Sqlite as Database, SqliteConnection as Connection, SqlitePool as Pool, SqliteRow as Row};

/// A SQLite database in WAL mode with `synchronous=full`: what is committed has reached the disk.
pub struct SqliteStore {
    /// SQLite has one writer at a time; one connection makes the others wait here and not in busy loops.
    writer: Pool,
    reader: Pool,
    /// Where the bytes of plugins are written to, unless that is the database.
    objects: Option<Objects>,
    /// Held for as long as the store lives: keeps a second host off the file.
    _lock: FileLock,
}

/// What the shared modules call it.
type SqlStore = SqliteStore;

impl SqliteStore {
    /// Has the bytes of plugins written to objects, where there is a place for any.
    #[must_use]
    pub fn with_objects(self, objects: Option<Objects>) -> Self {
        Self { objects, ..self }
    }

    /// What renews the lease.
    fn heart(&self) -> &Pool {
        &self.writer
    }

    /// Begins a transaction that writes.
    async fn begin(&self) -> Result<Transaction<'_, Database>> {
        Ok(self.writer.begin_with("begin immediate").await?)
    }

    /// Carries out a transaction. With one writer none is in another's way.
    async fn write<T, F: Future<Output = Result<T>>>(&self, transaction: impl Fn() -> F) -> Result<T> {
        transaction().await
    }

    /// Carries out a verb. A file does not go away.
    async fn watched<T>(&self, _verb: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
        call.await
    }

    /// How the database is: it is read.
    async fn seen(&self) -> Result<Presence> {
        sqlx::query("select 1").execute(&self.reader).await?;
        Ok(Presence::Here { after: None })
    }
}
