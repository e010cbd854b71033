//! The contract of stores, on PostgreSQL.

#[path = "store_contract/mod.rs"]
#[expect(clippy::duplicate_mod, reason = "written once, kept on each database")]
mod store_contract;

use crate::world::{Backend, World};
use sqlx::PgConnection;

const BACKEND: Backend = Backend::Postgres;

/// Whether the database has a clock that is not this machine's.
const HAS_CLOCK: bool = true;

/// A connection to the store's database past the store, for what the store itself would never write.
pub(crate) async fn raw(world: &World) -> PgConnection {
    world.server().connect().await
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
