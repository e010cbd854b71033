//! The contract of stores, on PostgreSQL.

#[path = "store_contract/mod.rs"]
#[expect(clippy::duplicate_mod, reason = "written once, kept on each database")]
mod store_contract;

use crate::world::{Backend, Closed, World};
use latchwork_tests::PostgresDatabase;
use sqlx::PgConnection;
pub(crate) use store_contract::{Contents, worked_world};

const BACKEND: Backend = Backend::Postgres;

/// A connection past the store.
type Connection = PgConnection;

/// All columns: table, name, type, and whether a new row must have a value for it.
const COLUMNS: &str = "select t.relname::text, c.attname::text, format_type(c.atttypid, null), \
      c.attnotnull and not c.atthasdef \
    from pg_class as t join pg_attribute as c on c.attrelid = t.oid and c.attnum > 0 and not c.attisdropped \
    where t.relkind = 'r' and t.relnamespace = 'public'::regnamespace and t.relname <> '_sqlx_migrations' \
    order by t.relname, c.attnum";

/// All references: table and column, and what they name.
const REFERENCES: &str = "select t.relname::text, c.attname::text, o.relname::text, d.attname::text \
    from pg_constraint as r join pg_class as t on t.oid = r.conrelid join pg_class as o on o.oid = r.confrelid \
      join pg_attribute as c on c.attrelid = t.oid and c.attnum = r.conkey[1] \
      join pg_attribute as d on d.attrelid = o.oid and d.attnum = r.confkey[1] \
    where r.contype = 'f'";

/// Whether the database has a clock that is not this machine's.
const HAS_CLOCK: bool = true;

/// A connection to the store's database past the store, for what the store itself would never write.
pub(crate) async fn raw(world: &World) -> PgConnection {
    world.server().connect().await
}

/// The same for a store that nobody has open.
async fn raw_closed(closed: &Closed) -> PgConnection {
    closed.server().connect().await
}

/// All that a database holds, by table.
pub(crate) async fn contents(database: &PostgresDatabase) -> Contents {
    store_contract::contents(&mut database.connect().await).await
}

/// What a column holds, written the same on every database: numbers in decimals, texts and bytes in hexadecimals.
fn cell(column: &str, kind: &str) -> String {
    let text = match kind {
        "boolean" => format!("\"{column}\"::int::text"),
        "text" => format!("upper(encode(convert_to(\"{column}\", 'UTF8'), 'hex'))"),
        "bytea" => format!("upper(encode(\"{column}\", 'hex'))"),
        _ => format!("\"{column}\"::text"),
    };
    format!("coalesce({text}, 'null')")
}

/// The tables and indices, by name.
async fn tables(world: &World) -> Vec<String> {
    let names = "select tablename::text from pg_tables where schemaname = 'public' \
        union all select indexname::text from pg_indexes where schemaname = 'public' order by 1";
    sqlx::query_scalar(names).fetch_all(&mut raw(world).await).await.unwrap()
}

/// How many references the server does not hold to; it takes no row that refers to none.
async fn broken_references(world: &World) -> i64 {
    let unchecked = "select count(*) from pg_constraint where contype = 'f' and not convalidated";
    sqlx::query_scalar(unchecked).fetch_one(&mut raw(world).await).await.unwrap()
}
