//! A server's database as one of the two.

use super::schema::{self, Column, Kind, Pair, Table, quoted};
use super::value::{Row, Value};
use super::{End, EndError, MoveError};
use crate::domain::timestamp::Timestamp;
use crate::store::postgres::open_alone;
use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use sqlx::postgres::{PgArguments, PgConnection, PgRow, Postgres};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

const COLUMNS: &str = "select tables.relname::text, columns.attname::text, format_type(columns.atttypid, null), \
      coalesce(columns.attnum = any (keys.indkey), false), columns.attidentity <> '' \
    from pg_class as tables \
      join pg_attribute as columns on columns.attrelid = tables.oid and attnum > 0 and not attisdropped \
      left join pg_index as keys on keys.indrelid = tables.oid and keys.indisprimary \
    where tables.relkind = 'r' and tables.relnamespace = current_schema()::regnamespace \
      and tables.relname <> '_sqlx_migrations' \
    order by tables.relname, columns.attnum";

const REFERENCES: &str = "select tables.relname::text, others.relname::text from pg_constraint \
      join pg_class as tables on tables.oid = conrelid join pg_class as others on others.oid = confrelid \
    where contype = 'f' and connamespace = current_schema()::regnamespace";

/// The references of tables to themselves: table and name.
const OWN_REFERENCES: &str = "select tables.relname::text, conname::text from pg_constraint \
      join pg_class as tables on tables.oid = conrelid \
    where contype = 'f' and conrelid = confrelid and connamespace = current_schema()::regnamespace";

/// A connection that is in a transaction.
pub(super) struct PostgresEnd {
    connection: PgConnection,
    own_references: Vec<(String, String)>,
}

impl PostgresEnd {
    /// All of it at one instant. No host can begin before the transaction has ended.
    pub(super) async fn source(url: &str, now: Timestamp) -> Result<Self, MoveError> {
        let mut end = Self::open(url, "begin isolation level repeatable read").await.map_err(MoveError::Source)?;
        let running = end.end_hosts(now).await.map_err(|error| MoveError::Source(error.into()))?;
        if running.is_empty() { Ok(end) } else { Err(MoveError::Running(running.join(", "))) }
    }

    pub(super) async fn target(url: &str) -> Result<Self, EndError> {
        Self::open(url, "begin").await
    }

    async fn open(url: &str, begin: &'static str) -> Result<Self, EndError> {
        let mut connection = open_alone(url).await?;
        sqlx::query(begin).execute(&mut connection).await?;
        Ok(Self { connection, own_references: Vec::new() })
    }

    /// Ends the hosts that are dead, so that none comes back that was only cut off; answers with those that are not.
    async fn end_hosts(&mut self, now: Timestamp) -> sqlx::Result<Vec<String>> {
        sqlx::query("lock table incarnations in share row exclusive mode").execute(&mut self.connection).await?;
        // By the clock that leases go by.
        let living = "select host_id from incarnations where ended_at is null \
            and expires_at >= cast(extract(epoch from clock_timestamp()) * 1000 as bigint) order by host_id";
        let living = sqlx::query_scalar(living).fetch_all(&mut self.connection).await?;
        let end = sqlx::query("update incarnations set ended_at = $1 where ended_at is null");
        end.bind(now.ms()).execute(&mut self.connection).await?;
        Ok(living)
    }

    async fn run(&mut self, statement: String) -> sqlx::Result<()> {
        sqlx::query(AssertSqlSafe(statement)).execute(&mut self.connection).await?;
        Ok(())
    }
}

#[async_trait]
impl End for PostgresEnd {
    async fn tables(&mut self) -> Result<Vec<Table>, EndError> {
        let columns = sqlx::query_as(COLUMNS).fetch_all(&mut self.connection).await?;
        let references = sqlx::query_as(REFERENCES).fetch_all(&mut self.connection).await?;
        Ok(schema::tables(columns, references)?)
    }

    async fn shut_out(&mut self, tables: &[Table]) -> Result<(), EndError> {
        let names: Vec<_> = tables.iter().map(|table| quoted(&table.name)).collect();
        self.run(format!("lock table {} in access exclusive mode", names.join(", "))).await?;
        // Rows of a table refer to one another, whichever comes first: that is looked at when all are there.
        self.own_references = sqlx::query_as(OWN_REFERENCES).fetch_all(&mut self.connection).await?;
        for (table, reference) in self.own_references.clone() {
            let (table, reference) = (quoted(&table), quoted(&reference));
            self.run(format!("alter table {table} alter constraint {reference} deferrable initially deferred")).await?;
        }
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
        let arrays =
            table.columns.iter().enumerate().map(|(at, column)| format!("${}::{}[]", at + 1, sql_type(column)));
        let arrays = arrays.collect::<Vec<_>>().join(", ");
        let insert = format!("insert into {} ({}) select * from unnest({arrays})", quoted(&table.name), table.list());
        let mut columns: Vec<Vec<Value>> = table.columns.iter().map(|_| Vec::with_capacity(rows.len())).collect();
        for row in rows {
            for (values, value) in columns.iter_mut().zip(row) {
                values.push(value);
            }
        }
        let mut query = sqlx::query(AssertSqlSafe(insert));
        for (column, values) in table.columns.iter().zip(columns) {
            query = bind(query, column.kind, values);
        }
        query.execute(&mut self.connection).await?;
        Ok(())
    }

    fn takes_nul(&self) -> bool {
        false
    }

    async fn let_go(mut self: Box<Self>) -> Result<(), EndError> {
        self.run("commit".to_owned()).await?;
        Ok(self.connection.close().await?)
    }

    async fn finish(mut self: Box<Self>, tables: &[Pair], now: Timestamp) -> Result<(), EndError> {
        self.run("set constraints all immediate".to_owned()).await?;
        for (table, reference) in self.own_references.clone() {
            let (table, reference) = (quoted(&table), quoted(&reference));
            self.run(format!("alter table {table} alter constraint {reference} not deferrable")).await?;
        }
        for Pair { target: table, .. } in tables {
            for column in table.columns.iter().filter(|column| column.is_numbered) {
                let (name, column_name) = (quoted(&table.name), quoted(&column.name));
                let next = format!(
                    "select setval(pg_get_serial_sequence($1, $2), max({column_name})) from {name} \
                     having max({column_name}) is not null"
                );
                let next = sqlx::query(AssertSqlSafe(next)).bind(&name).bind(&column.name);
                next.execute(&mut self.connection).await?;
            }
        }
        let end = sqlx::query("update incarnations set ended_at = $1 where ended_at is null");
        end.bind(now.ms()).execute(&mut self.connection).await?;
        self.run("commit".to_owned()).await?;
        // What the planner knows of the tables is that they are empty. All is done by now, so that is no failure.
        let _ = self.run("analyze".to_owned()).await;
        Ok(self.connection.close().await?)
    }
}

fn sql_type(column: &Column) -> &'static str {
    match column.kind {
        Kind::Integer => "bigint",
        Kind::Boolean => "boolean",
        Kind::Text => "text",
        Kind::Bytes => "bytea",
    }
}

/// Binds the values of a column as one array, so that a statement is the same for any number of rows.
fn bind(query: Query<'_, Postgres, PgArguments>, kind: Kind, values: Vec<Value>) -> Query<'_, Postgres, PgArguments> {
    fn each<T>(values: Vec<Value>, take: impl Fn(Value) -> Option<T>) -> Vec<Option<T>> {
        values.into_iter().map(take).collect()
    }
    match kind {
        Kind::Integer => {
            query.bind(each(values, |value| if let Value::Integer(number) = value { Some(number) } else { None }))
        }
        Kind::Boolean => {
            query.bind(each(values, |value| if let Value::Boolean(value) = value { Some(value) } else { None }))
        }
        Kind::Text => query.bind(each(values, |value| if let Value::Text(text) = value { Some(text) } else { None })),
        Kind::Bytes => {
            query.bind(each(values, |value| if let Value::Bytes(bytes) = value { Some(bytes) } else { None }))
        }
    }
}

fn read(row: &PgRow, table: &Table) -> Result<Row, EndError> {
    let value = |(at, column): (usize, &Column)| {
        let value = match column.kind {
            Kind::Integer => row.try_get::<Option<i64>, _>(at).map(|value| value.map(Value::Integer)),
            Kind::Boolean => row.try_get::<Option<bool>, _>(at).map(|value| value.map(Value::Boolean)),
            Kind::Text => row.try_get::<Option<String>, _>(at).map(|value| value.map(Value::Text)),
            Kind::Bytes => row.try_get::<Option<Vec<u8>>, _>(at).map(|value| value.map(Value::Bytes)),
        };
        Ok(value?.unwrap_or(Value::Null))
    };
    table.columns.iter().enumerate().map(value).collect()
}
