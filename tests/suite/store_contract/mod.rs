//! What every store promises, whatever database it is on: this folder is compiled into `on_sqlite` and into
//! `on_postgres`. Each test asks an `Arc<dyn Store>` of [`crate::world`].

mod backfills;
mod bounds;
mod claims;
mod concurrency;
mod damage;
mod doubt;
mod durability;
mod edit;
mod ends;
mod every_table;
mod fallback;
mod firing;
mod hosts;
mod incarnations;
mod jobs;
mod keeping;
mod kept;
mod keys;
mod migrations;
mod operations;
mod planning;
mod plugins;
mod queue;
mod rates;
mod record;
mod recovery;
mod retry;
mod secrets;
mod shares;
mod upgrade;
mod views;

use super::{BACKEND, COLUMNS, Connection, HAS_CLOCK, REFERENCES, broken_references, cell, raw, raw_closed, tables};
use crate::world::World;
pub(crate) use every_table::{Contents, contents, worked_world};
use latchwork::store::{Result, StoreError};

/// A new store on the database that these tests are about.
async fn new_world() -> World {
    World::on(BACKEND).await
}

/// Whether a write was refused because its incarnation no longer holds what it wanted to write.
fn is_lease_lost<T>(result: Result<T>) -> bool {
    matches!(result, Err(StoreError::LeaseLost(_)))
}
