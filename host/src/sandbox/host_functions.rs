//! What the host offers to plugins.

use super::bindings::latchwork::plugin::{checkpoint, events, keys, log, outputs};
use super::bindings::{Plugin, types};
use super::state::CallState;
use crate::domain::task::LogLevel;
use types::HostError;
use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};

/// A linker with everything that a plugin can import.
pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    Plugin::add_to_linker::<_, HasSelf<CallState>>(&mut linker, |state| state)?;
    Ok(linker)
}

impl types::Host for CallState {}

impl log::Host for CallState {
    fn write(&mut self, level: log::Level, message: String) {
        let level = match level {
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Error => LogLevel::Error,
        };
        self.log.write(level, message);
    }
}

impl keys::Host for CallState {
    async fn get(&mut self, key: String) -> Result<Option<Vec<u8>>, HostError> {
        self.keys.get(key).await
    }

    async fn set(&mut self, key: String, value: Vec<u8>) -> Result<(), HostError> {
        self.keys.set(key, value)
    }

    async fn delete(&mut self, key: String) -> Result<(), HostError> {
        self.keys.delete(key)
    }

    async fn list(&mut self, prefix: String, after: Option<String>, limit: u32) -> Result<Vec<String>, HostError> {
        self.keys.list(&prefix, after.as_deref(), limit).await
    }
}

impl checkpoint::Host for CallState {
    fn save(&mut self, _bytes: Vec<u8>) -> Result<(), HostError> {
        Err(unsupported("checkpoint.save"))
    }
}

impl outputs::Host for CallState {
    fn get(&mut self, _stage: String, _stage_index: u32) -> Result<Option<Vec<u8>>, HostError> {
        Err(unsupported("outputs.get"))
    }
}

impl events::Host for CallState {
    fn emit(&mut self, _name: String, _body: String) -> Result<(), HostError> {
        Err(unsupported("events.emit"))
    }
}

fn unsupported(function: &str) -> HostError {
    HostError::Unsupported(format!("{function} is part of the contract, but not offered by this version of the host"))
}
