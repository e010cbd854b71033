//! Write Latchwork plugins in Rust.
//!
//! A plugin is a function with the [`macro@task`] attribute, in a crate of type `cdylib`, built by
//! `cargo build --release --target wasm32-wasip2`:
//!
//! ```
//! use latchwork_sdk::{Task, TaskError, log, task};
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct Greeting {
//!     name: String,
//! }
//!
//! #[task]
//! fn greet(task: &Task, greeting: Greeting) -> Result<String, TaskError> {
//!     if greeting.name.is_empty() {
//!         return Err(TaskError::fatal("the payload's name is empty"));
//!     }
//!     log::info!("task {} of {}", task.index(), task.total());
//!     Ok(format!("Hello, {}!", greeting.name))
//! }
//! # fn main() {}
//! ```
//!
//! The host calls the function **at least once** for each task: after a crash, tasks that were in flight are called
//! again. What a task writes through [`keys`] and what it returns is kept exactly once, together with its completion.
//! For effects outside of the host, pass on [`Task::idempotency_key`]; requests over `wasi:http` carry it by themselves as
//! `Idempotency-Key`.
//!
//! Files, servers, configuration values and secrets are there as far as the job grants them: files below the directories
//! that it names, requests by any crate that speaks `wasi:http` (as `plugins/fetch` does), values and secrets as environment
//! variables. A request that is not granted ends as `HTTP-request-denied`, and no retry helps: answer with
//! [`TaskError::fatal`].

pub mod checkpoint;
mod context;
mod error;
pub mod events;
mod glue;
pub mod keys;
pub mod log;
pub mod outputs;
mod plan;

pub use context::{Job, Task};
pub use error::{HostError, TaskError};
pub use latchwork_sdk_macros::task;
pub use plan::{Plan, Stage};

#[doc(hidden)]
pub mod bindings {
    //! What `wit-bindgen` makes of the contract. Not for direct use.
    #![allow(missing_docs, unreachable_pub, clippy::all)]

    wit_bindgen::generate!({
        path: "../wit",
        world: "plugin",
        pub_export_macro: true,
        export_macro_name: "export_plugin",
        default_bindings_module: "latchwork_sdk::bindings",
    });
}

#[doc(hidden)]
pub mod __private {
    //! What the `#[task]` attribute's expansion calls. Not for direct use.
    pub use crate::bindings::latchwork::plugin::types::{JobContext, Stage, TaskContext, TaskError};
    pub use crate::bindings::{Guest, export_plugin};
    pub use crate::glue::{plan, plan_default, run};
}
