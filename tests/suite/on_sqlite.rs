//! The contract of stores, on SQLite.

#[path = "store_contract/mod.rs"]
mod store_contract;

use crate::world::{Backend, World};
use sqlx::{Connection as _, SqliteConnection};

const BACKEND: Backend = Backend::Sqlite;

/// Whether the database has a clock that is not this machine's.
const HAS_CLOCK: bool = false;

/// A connection to the store's file past the store, for what the store itself would never write.
pub(crate) async fn raw(world: &World) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite:{}", world.database().display())).await.unwrap()
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
