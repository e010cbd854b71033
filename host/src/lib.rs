//! Latchwork: a host for WebAssembly plugins that runs durable interval jobs.
//!
//! The folders, from the top: `api` and `cli` for people, `engine` for intervals, `store` and `sandbox` beneath both,
//! `domain` beneath all. ARCHITECTURE.md is the map.

pub mod api;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod database_setting;
pub mod domain;
pub mod engine;
pub mod herald;
pub mod plugin_store_setting;
pub mod recovery_settings;
pub mod sandbox;
pub mod status;
pub mod store;
#[cfg(debug_assertions)]
mod test_fault;
pub mod vault;
pub mod wakeup;
