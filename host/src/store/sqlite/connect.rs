//! Opens the file, alone.

use super::{SqliteStore, migrations, space};
use crate::store::{Result, StoreError};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Connections that only read: pages, key lookups, the engine's questions.
const READERS: u32 = 4;

/// What the writer keeps of the file in memory, as SQLite takes it: 64 MiB in KiB, negated. SQLite's own 2 MiB do not hold
/// the last pages of each index of many jobs with a long history.
const CACHE: &str = "-65536";

/// An exclusive lock on the file `DATABASE.lock`; the operating system frees it when the process ends, however it ends.
pub(in crate::store) struct FileLock {
    _file: File,
}

impl SqliteStore {
    /// Opens the database and brings its schema to this version. `InUse` where another host has it open.
    pub async fn open(path: &Path) -> Result<Self> {
        let (options, lock) = prepare(path)?;
        let writing = writing(&options);
        migrations::apply(&writing).await?;
        let writer = pool(1, writing).await?;
        let reader = pool(READERS, options.read_only(true)).await?;
        Ok(Self { writer, reader, objects: None, _lock: lock })
    }

    /// Undoes the migration applied last, and answers with its name; none where there is nothing to undo.
    pub async fn revert(path: &Path) -> Result<Option<String>> {
        let (options, _lock) = prepare(path)?;
        migrations::revert(&options).await
    }
}

/// Opens the database with one connection, and brings its schema to this version, for what is no host.
pub(in crate::store) async fn open_alone(path: &Path) -> Result<(SqliteConnection, FileLock)> {
    let (options, lock) = prepare(path)?;
    let writing = writing(&options);
    migrations::apply(&writing).await?;
    Ok((writing.connect().await?, lock))
}

/// What whoever writes adds to it. `auto_vacuum` counts when the file is made; one that was made without it keeps its free
/// pages for what comes. Asked for by a connection that only reads it would be refused.
fn writing(options: &SqliteConnectOptions) -> SqliteConnectOptions {
    options.clone().auto_vacuum(SqliteAutoVacuum::Incremental).pragma("cache_size", CACHE)
}

/// Locks the file, and tells how it is opened.
fn prepare(path: &Path) -> Result<(SqliteConnectOptions, FileLock)> {
    let path = resolved(path).map_err(|source| StoreError::File { path: path.display().to_string(), source })?;
    let lock = FileLock::take(&path)?;
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .pragma("journal_size_limit", space::LOG_BYTES_MAX.to_string())
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(10));
    Ok((options, lock))
}

/// The path without links, so that every spelling of it leads to the same lock.
fn resolved(path: &Path) -> std::io::Result<PathBuf> {
    match path.canonicalize() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // Only what exists can be resolved, and a link may lead to a file that is still to come. SQLite takes an
            // empty file as an empty database.
            drop(OpenOptions::new().create(true).truncate(false).write(true).open(path)?);
            path.canonicalize()
        }
        resolved => resolved,
    }
}

async fn pool(connections: u32, options: SqliteConnectOptions) -> Result<SqlitePool> {
    let pool = SqlitePoolOptions::new()
        .max_connections(connections)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options);
    Ok(pool.await?)
}

impl FileLock {
    fn take(database: &Path) -> Result<Self> {
        let mut path = database.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let error = |source| StoreError::File { path: path.display().to_string(), source };
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(error)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse(database.display().to_string())),
            Err(TryLockError::Error(source)) => Err(error(source)),
        }
    }
}
