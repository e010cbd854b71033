//! What the tests share: the built artifacts, the host as a real process, its API and its rows, and a witness.

mod api;
mod artifacts;
mod host;
mod postgres;
mod rows;
mod witness;

pub use api::{Answer, Api, instant, text};
pub use artifacts::{compiler, host_binary, plugin};
pub use host::{Host, HostBuilder, wait_for};
pub use postgres::PostgresDatabase;
pub use rows::Rows;
pub use witness::Witness;
