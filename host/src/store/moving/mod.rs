//! Moves an installation to another database while no host runs on either.
//!
//! What is moved is whatever the catalogues say is there, so no list of tables can go stale. The target takes all of it
//! in one transaction, in which it is read back and compared: it ends up with everything or with nothing.

mod postgres;
mod schema;
mod sqlite;
mod value;

use super::StoreError;
use crate::domain::timestamp::Timestamp;
use async_trait::async_trait;
use futures::TryStreamExt as _;
use futures::stream::BoxStream;
use postgres::PostgresEnd;
use schema::{Pair, SchemaError, Table, paired};
use sqlite::SqliteEnd;
use std::path::Path;
use value::{Row, Sum, converted, size};

/// How much goes into one statement: so much memory the move takes at most, beside one row.
const BATCH_ROWS_MAX: usize = 1_000;
const BATCH_BYTES_MAX: u64 = 8 << 20;

/// A database.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// A file.
    Sqlite(&'a Path),
    /// The URL of a server's.
    Postgres(&'a str),
}

/// What becomes of a NUL in a text where the target keeps none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nul {
    /// Nothing is moved.
    Refused,
    /// `␀` takes its place, as in what a host writes there.
    Shown,
}

/// What was moved of a table.
#[derive(Debug, Clone)]
pub struct MovedTable {
    /// Its name.
    pub name: String,
    /// How many rows were read from the source, and found in the target again.
    pub rows: u64,
    /// About what they hold.
    pub bytes: u64,
    /// A sum over all values, the same on both sides.
    pub content: u128,
    /// In how many texts a NUL was replaced.
    pub replaced_nuls: u64,
}

/// Why nothing was moved.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// There is no file to read.
    #[error(
        "there is no database at {0}; name the file that DATABASE_URL names, or latchwork.db in the data directory"
    )]
    NoSource(String),
    /// Whatever a host does meanwhile would be lost.
    #[error("host {0} runs on this database; stop it first")]
    Running(String),
    /// Two installations in one would be none.
    #[error("the target is not empty: it has {0}; name a database that no host has used, or make a new one")]
    NotEmpty(String),
    /// A text that PostgreSQL does not keep.
    #[error(
        "{0} holds a NUL character, which PostgreSQL keeps in no text; with `--nul show` a `␀` takes its place, as in \
         what a host writes there"
    )]
    Nul(String),
    /// A key that SQLite does not keep.
    #[error("{0} is no text; mend or remove the row first")]
    NoText(String),
    /// The tables of one side are not those of the other.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// What is read back is not what was written.
    #[error("{table} is not the same on both sides: {written} rows were written and {read} were read back")]
    Different {
        /// Which table.
        table: String,
        /// Rows from the source.
        written: u64,
        /// Rows in the target.
        read: u64,
    },
    /// The source cannot be read.
    #[error("the source")]
    Source(#[source] EndError),
    /// The target cannot be written.
    #[error("the target")]
    Target(#[source] EndError),
}

/// What is wrong with one of the two databases.
#[derive(Debug, thiserror::Error)]
pub enum EndError {
    /// A value of another type than its column's.
    #[error("{place} cannot be read: {reason}; mend or remove the row first")]
    Unreadable {
        /// Which table, column and row.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// Tables that this version has not made.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// It did not do what it was asked for.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for EndError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// One of the two databases, from the first look at it on in one transaction.
#[async_trait]
trait End: Send {
    /// Its tables.
    async fn tables(&mut self) -> Result<Vec<Table>, EndError>;

    /// Waits for whoever is in the middle of something, and keeps everybody else out.
    async fn shut_out(&mut self, tables: &[Table]) -> Result<(), EndError>;

    /// All rows of a table, a few at a time in memory.
    fn rows<'a>(&'a mut self, table: &'a Table) -> BoxStream<'a, Result<Row, EndError>>;

    async fn count(&mut self, table: &Table) -> Result<i64, EndError>;

    async fn insert(&mut self, table: &Table, rows: Vec<Row>) -> Result<(), EndError>;

    /// Whether its texts may hold a NUL.
    fn takes_nul(&self) -> bool;

    /// Ends the transaction of a source that was read to its end.
    async fn let_go(self: Box<Self>) -> Result<(), EndError>;

    /// Ends what hosts have left open, as their crash would have been found, and commits.
    async fn finish(self: Box<Self>, tables: &[Pair], now: Timestamp) -> Result<(), EndError>;
}

/// Moves everything from one database to another, which has to be empty. The source stays as it is, but for its schema,
/// which is brought to this version.
pub async fn move_installation(
    from: Place<'_>,
    to: Place<'_>,
    nul: Nul,
    now: Timestamp,
) -> Result<Vec<MovedTable>, MoveError> {
    let mut source = source(from, now).await?;
    let mut target = target(to).await.map_err(MoveError::Target)?;
    let tables = target.tables().await.map_err(MoveError::Target)?;
    target.shut_out(&tables).await.map_err(MoveError::Target)?;
    let pairs = paired(source.tables().await.map_err(MoveError::Source)?, tables)?;
    check_empty(&mut *target, &pairs).await?;
    let nul = (!target.takes_nul()).then_some(nul);
    let mut moved = Vec::new();
    for pair in &pairs {
        moved.push(move_table(&mut *source, &mut *target, pair, nul).await?);
    }
    source.let_go().await.map_err(MoveError::Source)?;
    target.finish(&pairs, now).await.map_err(MoveError::Target)?;
    Ok(moved)
}

async fn source(place: Place<'_>, now: Timestamp) -> Result<Box<dyn End>, MoveError> {
    Ok(match place {
        Place::Sqlite(path) => Box::new(SqliteEnd::source(path).await?),
        Place::Postgres(url) => Box::new(PostgresEnd::source(url, now).await?),
    })
}

async fn target(place: Place<'_>) -> Result<Box<dyn End>, EndError> {
    Ok(match place {
        Place::Sqlite(path) => Box::new(SqliteEnd::target(path).await?),
        Place::Postgres(url) => Box::new(PostgresEnd::target(url).await?),
    })
}

async fn check_empty(target: &mut dyn End, pairs: &[Pair]) -> Result<(), MoveError> {
    let mut found = Vec::new();
    for Pair { target: table, .. } in pairs {
        match target.count(table).await.map_err(MoveError::Target)? {
            0 => {}
            1 => found.push(format!("1 row in {}", table.name)),
            rows => found.push(format!("{rows} rows in {}", table.name)),
        }
    }
    if found.is_empty() { Ok(()) } else { Err(MoveError::NotEmpty(found.join(", "))) }
}

async fn move_table(
    source: &mut dyn End,
    target: &mut dyn End,
    pair: &Pair,
    nul: Option<Nul>,
) -> Result<MovedTable, MoveError> {
    let (mut written, mut replaced_nuls) = (Sum::default(), 0);
    let (mut batch, mut batch_bytes) = (Vec::new(), 0);
    let mut rows = source.rows(&pair.source);
    while let Some(row) = rows.try_next().await.map_err(MoveError::Source)? {
        let (row, replaced) = converted(row, &pair.source, &pair.target, nul)?;
        written.add(&row);
        replaced_nuls += replaced;
        batch_bytes += size(&row);
        batch.push(row);
        if batch.len() == BATCH_ROWS_MAX || batch_bytes >= BATCH_BYTES_MAX {
            target.insert(&pair.target, std::mem::take(&mut batch)).await.map_err(MoveError::Target)?;
            batch_bytes = 0;
        }
    }
    if !batch.is_empty() {
        target.insert(&pair.target, batch).await.map_err(MoveError::Target)?;
    }
    let read = target
        .rows(&pair.target)
        .try_fold(Sum::default(), |mut sum, row| async move {
            sum.add(&row);
            Ok(sum)
        })
        .await
        .map_err(MoveError::Target)?;
    let name = pair.target.name.clone();
    if read != written {
        return Err(MoveError::Different { table: name, written: written.rows, read: read.rows });
    }
    let Sum { rows, bytes, content } = read;
    Ok(MovedTable { name, rows, bytes, content, replaced_nuls })
}
