//! What every store promises, whatever database it is on. Each test asks an `Arc<dyn Store>` of [`crate::world`].

mod backfills;
mod bounds;
mod claims;
mod damage;
mod doubt;
mod durability;
mod edit;
mod ends;
mod fallback;
mod firing;
mod incarnations;
mod jobs;
mod keeping;
mod kept;
mod keys;
mod operations;
mod planning;
mod plugins;
mod query_plans;
mod queue;
mod record;
mod recovery;
mod retry;
mod upgrade;
mod views;

use crate::world::World;
use latchwork::store::{Result, StoreError};
use sqlx::Connection as _;

/// A connection to the store's file past the store, for what the store itself would never write.
async fn raw(world: &World) -> sqlx::SqliteConnection {
    sqlx::SqliteConnection::connect(&format!("sqlite:{}", world.database().display())).await.unwrap()
}

/// Whether a write was refused because its incarnation no longer holds what it wanted to write.
fn is_lease_lost<T>(result: Result<T>) -> bool {
    matches!(result, Err(StoreError::LeaseLost(_)))
}
