//! The contract of stores, on SQLite.

#[path = "store_contract/mod.rs"]
mod store_contract;

use crate::world::{Backend, Closed, World};
use sqlx::{Connection as _, SqliteConnection};
pub(crate) use store_contract::{Contents, worked_world};

const BACKEND: Backend = Backend::Sqlite;

/// A connection past the store.
type Connection = SqliteConnection;

/// All columns: table, name, type, and whether a new row must have a value for it.
const COLUMNS: &str = "select t.name, c.name, lower(c.type), (c.\"notnull\" or c.pk > 0) and c.dflt_value is null \
    from sqlite_master as t join pragma_table_info(t.name) as c \
    where t.type = 'table' and t.name not like 'sqlite\\_%' escape '\\' and t.name <> '_sqlx_migrations' \
    order by t.name, c.cid";

/// All references: table and column, and what they name.
const REFERENCES: &str = "select t.name, f.\"from\", f.\"table\", f.\"to\" \
    from sqlite_master as t join pragma_foreign_key_list(t.name) as f where t.type = 'table'";

/// Whether the database has a clock that is not this machine's.
const HAS_CLOCK: bool = false;

/// A connection to the store's file past the store, for what the store itself would never write.
pub(crate) async fn raw(world: &World) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite:{}", world.database().display())).await.unwrap()
}

/// The same for a store that nobody has open.
async fn raw_closed(closed: &Closed) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite:{}", closed.database().display())).await.unwrap()
}

/// All that a file holds, by table.
pub(crate) async fn contents(file: &std::path::Path) -> Contents {
    let mut connection = SqliteConnection::connect(&format!("sqlite:{}", file.display())).await.unwrap();
    store_contract::contents(&mut connection).await
}

/// What a column holds, written the same on every database: numbers in decimals, texts and bytes in hexadecimals.
fn cell(column: &str, _kind: &str) -> String {
    format!(
        "case typeof(\"{column}\") when 'null' then 'null' when 'integer' then cast(\"{column}\" as text) \
         else hex(\"{column}\") end"
    )
}

/// The tables and indices, by name.
async fn tables(world: &World) -> Vec<String> {
    let names = "select name from sqlite_master where name not like 'sqlite_%' order by name";
    sqlx::query_scalar(names).fetch_all(&mut raw(world).await).await.unwrap()
}

/// How many rows refer to rows that are gone.
async fn broken_references(world: &World) -> usize {
    sqlx::query("pragma foreign_key_check").fetch_all(&mut raw(world).await).await.unwrap().len()
}
