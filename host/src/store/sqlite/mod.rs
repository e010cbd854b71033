//! The store on SQLite: the embedded default, one host.

#[macro_use]
mod dialect;
mod connect;
mod locks;
mod migrations;
mod space;
#[path = "../sql/mod.rs"]
mod sql;

use super::{Objects, Result};
pub(super) use connect::{FileLock, open_alone};
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

    /// Begins a transaction that writes.
    async fn begin(&self) -> Result<Transaction<'_, Database>> {
        Ok(self.writer.begin_with("begin immediate").await?)
    }

    /// Carries out a transaction. With one writer none is in another's way.
    async fn write<T, F: Future<Output = Result<T>>>(&self, transaction: impl Fn() -> F) -> Result<T> {
        transaction().await
    }
}
