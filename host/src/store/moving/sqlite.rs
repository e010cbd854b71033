//! A file as one of the two databases.

use super::schema::{self, Kind, Pair, Table, quoted};
use super::value::{Row, Value};
use super::{End, EndError, MoveError};
use crate::domain::timestamp::Timestamp;
use crate::store::StoreError;
use crate::store::sqlite::{FileLock, open_alone};
use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};
use std::path::Path;

const COLUMNS: &str = "select tables.name, columns.name, columns.type, columns.pk > 0, false \
    from sqlite_master as tables join pragma_table_info(tables.name) as columns \
    where tables.type = 'table' and tables.name not like 'sqlite\\_%' escape '\\' \
      and tables.name <> '_sqlx_migrations' \
    order by tables.name, columns.cid";

const REFERENCES: &str = "select tables.name, refs.\"table\" \
    from sqlite_master as tables join pragma_foreign_key_list(tables.name) as refs where tables.type = 'table'";

/// The file, which nobody else can open meanwhile.
pub(super) struct SqliteEnd {
    connection: SqliteConnection,
    _lock: FileLock,
}

impl SqliteEnd {
    pub(super) async fn source(path: &Path) -> Result<Self, MoveError> {
        if !path.exists() {
            return Err(MoveError::NoSource(path.display().to_string()));
        }
        match Self::open(path).await {
            Err(StoreError::InUse(file)) => {
                let host = running_host(path).await.ok();
                Err(host.map_or_else(|| MoveError::Source(StoreError::InUse(file).into()), MoveError::Running))
            }
            opened => opened.map_err(|error| MoveError::Source(error.into())),
        }
    }

    pub(super) async fn target(path: &Path) -> Result<Self, EndError> {
        Ok(Self::open(path).await?)
    }

    async fn open(path: &Path) -> Result<Self, StoreError> {
        let (mut connection, lock) = open_alone(path).await?;
        sqlx::query("begin immediate").execute(&mut connection).await?;
        Ok(Self { connection, _lock: lock })
    }
}

/// Who has the file. Readers are not kept out.
async fn running_host(path: &Path) -> Result<String, StoreError> {
    let mut connection = SqliteConnectOptions::new().filename(path).read_only(true).connect().await?;
    let latest = "select host_id from incarnations where ended_at is null order by started_at desc limit 1";
    let host = sqlx::query_scalar(latest).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(host)
}

#[async_trait]
impl End for SqliteEnd {
    async fn tables(&mut self) -> Result<Vec<Table>, EndError> {
        let columns = sqlx::query_as(COLUMNS).fetch_all(&mut self.connection).await?;
        let references = sqlx::query_as(REFERENCES).fetch_all(&mut self.connection).await?;
        Ok(schema::tables(columns, references)?)
    }

    async fn shut_out(&mut self, _tables: &[Table]) -> Result<(), EndError> {
        // The lock has done it. Rows of a table refer to one another, whichever comes first.
        sqlx::query("pragma defer_foreign_keys = on").execute(&mut self.connection).await?;
        Ok(())
    }

    fn rows<'a>(&'a mut self, table: &'a Table) -> BoxStream<'a, Result<Row, EndError>> {
        let rows = sqlx::query(AssertSqlSafe(table.select())).fetch(&mut self.connection);
        rows.map(|row| read(&row?, table)).boxed()
    }

    async fn count(&mut self, table: &Table) -> Result<i64, EndError> {
        let count = AssertSqlSafe(format!("select count(*) from {}", quoted(&table.name)));
        Ok(sqlx::query_scalar(count).fetch_one(&mut self.connection).await?)
    }

    async fn insert(&mut self, table: &Table, rows: Vec<Row>) -> Result<(), EndError> {
        let places: Vec<_> = (1..=table.columns.len()).map(|number| format!("${number}")).collect();
        let insert = format!("insert into {} ({}) values ({})", quoted(&table.name), table.list(), places.join(", "));
        for row in rows {
            let mut query = sqlx::query(AssertSqlSafe(insert.as_str().to_owned()));
            for value in row {
                query = match value {
                    Value::Null => query.bind(None::<i64>),
                    Value::Integer(number) => query.bind(number),
                    Value::Boolean(value) => query.bind(value),
                    Value::Text(text) => query.bind(text),
                    Value::Bytes(bytes) => query.bind(bytes),
                };
            }
            query.execute(&mut self.connection).await?;
        }
        Ok(())
    }

    fn takes_nul(&self) -> bool {
        true
    }

    async fn let_go(mut self: Box<Self>) -> Result<(), EndError> {
        sqlx::query("rollback").execute(&mut self.connection).await?;
        Ok(self.connection.close().await?)
    }

    async fn finish(mut self: Box<Self>, _tables: &[Pair], now: Timestamp) -> Result<(), EndError> {
        // The next number of a row is behind the largest by itself here.
        let end = sqlx::query("update incarnations set ended_at = $1 where ended_at is null");
        end.bind(now.ms()).execute(&mut self.connection).await?;
        sqlx::query("commit").execute(&mut self.connection).await?;
        Ok(self.connection.close().await?)
    }
}

/// SQLite keeps values of any type in a column of any type: one that is not of the column's is damage.
fn read(row: &SqliteRow, table: &Table) -> Result<Row, EndError> {
    let value = |(at, column): (usize, &schema::Column)| {
        let value = match column.kind {
            Kind::Integer => row.try_get::<Option<i64>, _>(at).map(|value| value.map(Value::Integer)),
            Kind::Boolean => row.try_get::<Option<bool>, _>(at).map(|value| value.map(Value::Boolean)),
            Kind::Text => row.try_get::<Option<String>, _>(at).map(|value| value.map(Value::Text)),
            Kind::Bytes => row.try_get::<Option<Vec<u8>>, _>(at).map(|value| value.map(Value::Bytes)),
        };
        value.map(|value| value.unwrap_or(Value::Null)).map_err(|error| EndError::Unreadable {
            place: format!("{}.{} of the row {}", table.name, column.name, row_name(row, table)),
            reason: error.to_string(),
        })
    };
    table.columns.iter().enumerate().map(value).collect()
}

/// Names a row of which not all can be read.
fn row_name(row: &SqliteRow, table: &Table) -> String {
    let keys = table.columns.iter().enumerate().filter(|(_, column)| column.is_key);
    let keys = keys.map(|(at, column)| {
        let bytes: Vec<u8> = row.try_get_unchecked(at).unwrap_or_default();
        format!("{} = {}", column.name, String::from_utf8_lossy(&bytes).escape_debug())
    });
    format!("({})", keys.collect::<Vec<_>>().join(", "))
}
