//! Why the store did not do what was asked.

use super::kept::RefusedKeys;
use super::objects::ObjectError;
use crate::domain::ids::IncarnationId;
use sqlx::migrate::MigrateError;

/// What a caller can act on.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The incarnation no longer holds what it wanted to write; nothing was written. Stop, do not retry.
    #[error("incarnation {0} no longer holds its lease")]
    LeaseLost(IncarnationId),
    /// Tasks, or a plan, wrote more to keys than their jobs may keep; nothing was written.
    #[error("{} calls wrote more to keys than their jobs may keep", .0.len())]
    KeysOverQuota(Vec<RefusedKeys>),
    /// Another host uses the same SQLite file.
    #[error("another host already uses {0}; only one host may run on a SQLite database")]
    InUse(String),
    /// A row that this program did not write, or that is damaged.
    #[error("{what} cannot be read: {reason}")]
    Unreadable {
        /// Which row and column.
        what: String,
        /// What is wrong.
        reason: String,
    },
    /// The file beside the database cannot be used.
    #[error("cannot open {path}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The bytes of a plugin lie outside of the database, and cannot be read or written there; they may later.
    #[error(transparent)]
    Objects(Box<ObjectError>),
    /// The schema has a version that this program does not know.
    #[error(
        "the database was brought to version {0} of its schema by a newer latchwork: use that one, or take the schema \
         back with its `latchwork migrate --revert`"
    )]
    Newer(i64),
    /// The schema could not be brought to this version.
    #[error("the database's schema could not be migrated")]
    Migration(#[source] MigrateError),
    /// The database cannot be used just now, for this reason: whoever asks again is served when it is back. The store
    /// tells people of that itself, once.
    #[error("the database cannot be used just now: {0}")]
    Away(String),
    /// The server lets nobody in, for this reason; asking again does not help.
    #[error("the database refuses: {0}")]
    Refused(String),
    /// The database answered with an error, or did not answer; it may later.
    #[error("database error")]
    Database(#[source] sqlx::Error),
}

impl StoreError {
    /// Whether the database is away, which people have been told.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Away(_))
    }

    /// A value in a row that does not parse.
    pub(super) fn unreadable(what: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        Self::Unreadable { what: what.into(), reason: reason.to_string() }
    }
}

impl From<ObjectError> for StoreError {
    fn from(error: ObjectError) -> Self {
        Self::Objects(Box::new(error))
    }
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(version) => Self::Newer(version),
            error => Self::Migration(error),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    /// A value of the wrong type is damage, which no second attempt mends.
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::ColumnDecode { index, source } => Self::unreadable(index.trim_matches('"'), source),
            sqlx::Error::ColumnNotFound(column) => Self::unreadable(column, "there is no such column"),
            sqlx::Error::Decode(source) => Self::unreadable("a value", source),
            error => Self::Database(error),
        }
    }
}
