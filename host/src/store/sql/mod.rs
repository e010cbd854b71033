//! The store's SQL, written once: this folder is compiled into `sqlite` and into `postgres`.
//!
//! `super` is the module of one database. It says what its connections, pools and rows are, how a transaction that writes
//! begins, and by `dialect` and `locks` all in which the two differ.

mod backfills;
mod checkpoints;
mod claims;
mod closing;
mod components;
mod doubt;
mod edit;
mod ends;
mod events;
mod fallback;
mod firing;
mod graph;
mod hosts;
mod hot;
mod incarnations;
mod intervals;
mod jobs;
mod keeping;
mod keys;
mod open;
mod operations;
mod outputs;
mod overdue;
mod planning;
mod plugins;
mod progress;
mod queue;
mod rates;
mod record;
mod recovery;
mod removal;
mod reopen;
mod rows;
mod schedule;
mod secrets;
mod shares;
mod store;
mod transitions;
mod upgrade;
pub(super) mod versions;
mod warning;

use super::{Connection, Database, Pool, Row, SqlStore, dialect, hints, locks, space};
