//! The only folder that names wasmtime: checks and compiles plugins, runs single calls under limits, and maps every
//! way in which a call can end to a typed outcome.
//!
//! Knows nothing of databases, schedules or the API. What a call wrote is handed back as data; nothing is kept here.

mod allowed;
mod bindings;
mod cache;
mod call;
mod callable;
mod capacity;
mod cell;
mod compile;
mod compiler;
mod context;
mod directories;
mod ending;
mod engine;
mod events;
mod host_functions;
mod http;
mod keys;
mod limits;
mod log;
mod memory;
mod pace;
mod reach;
mod scope;
mod state;
mod task_side;
mod turns;
mod veil;

pub use allowed::Allowed;
pub use cache::{CacheError, CodeCache};
pub use call::{CallReport, PlanOutput, Plugin, Surroundings};
pub use callable::{Callable, PluginSource};
pub use cell::WarmCell;
pub use compile::Refusal;
pub use compiler::{CompileLimits, Compiler, ProcessLimits, compile_alone};
pub use context::{JobInput, TaskInput};
pub use directories::{AllowedDirectories, AllowedDirectory, Forbidden, GrantedDirectory};
pub use engine::{Sandbox, SandboxError};
pub use http::Network;
pub use keys::{KeyReader, KeysUnavailable};
pub use limits::{
    EVENT_BODY_BYTES_MAX, EVENT_NAME_BYTES_MAX, EVENTS_BYTES_MAX, EVENTS_MAX, KEY_BYTES_MAX, Limits, VALUE_BYTES_MAX,
};
pub use reach::{GrantedSecret, Reach};
pub use scope::Scope;
pub use task_side::{Denied, TaskSide};
