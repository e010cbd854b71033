//! What the tests share: the built artifacts, the host as a real process, its API and its rows, a witness, and guests
//! written by hand.

mod api;
mod artifacts;
mod cable;
mod guest;
mod host;
mod postgres;
mod rows;
pub mod server;
mod web;
mod witness;

pub use api::{Answer, Api, instant, text};
pub use artifacts::{compiler, host_binary, plugin};
pub use cable::Cable;
pub use guest::{Guest, SUCCESS};
pub use host::{Host, HostBuilder, wait_for};
pub use postgres::PostgresDatabase;
pub use rows::Rows;
pub use server::PostgresServer;
pub use web::{Authority, Seen, Web};
pub use witness::Witness;
