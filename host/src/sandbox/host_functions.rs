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
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
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
        let got = self.keys.get(key).await;
        self.noted(got)
    }

    async fn set(&mut self, key: String, value: Vec<u8>) -> Result<(), HostError> {
        let set = self.keys.set(key, value).await;
        self.noted(set)
    }

    async fn delete(&mut self, key: String) -> Result<(), HostError> {
        let deleted = self.keys.delete(key);
        self.noted(deleted)
    }

    async fn list(&mut self, prefix: String, after: Option<String>, limit: u32) -> Result<Vec<String>, HostError> {
        let listed = self.keys.list(&prefix, after.as_deref(), limit).await;
        self.noted(listed)
    }
}

impl checkpoint::Host for CallState {
    async fn save(&mut self, bytes: Vec<u8>) -> Result<(), HostError> {
        let saved = self.task.save_checkpoint(bytes).await;
        self.noted(saved)
    }
}

impl outputs::Host for CallState {
    async fn get(&mut self, stage: String, stage_index: u32) -> Result<Option<Vec<u8>>, HostError> {
        let got = self.task.output(&stage, stage_index).await;
        self.noted(got)
    }
}

impl events::Host for CallState {
    fn emit(&mut self, name: String, body: String) -> Result<(), HostError> {
        let emitted = self.events.emit(self.log.now(), name, body);
        self.noted(emitted)
    }
}

impl CallState {
    /// Notes which limit kept the guest from what it asked for; the log says so, whatever the guest makes of it.
    fn noted<T>(&mut self, answer: Result<T, HostError>) -> Result<T, HostError> {
        if let Err(HostError::LimitExceeded(limit)) = &answer
            && self.refused.as_ref() != Some(limit)
        {
            self.log.note(LogLevel::Warn, limit.clone());
            self.refused = Some(limit.clone());
        }
        answer
    }
}
