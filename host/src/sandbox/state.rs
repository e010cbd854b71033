//! What the host keeps for one call, and drops with it.

use super::directories::GrantedDirectory;
use super::keys::KeyOverlay;
use super::limits::{Limits, MemoryMeter, RANDOM_BYTES_MAX};
use super::log::{LogStream, TaskLog};
use crate::domain::task::LogLevel;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// The state behind one call's store.
pub(super) struct CallState {
    pub(super) memory: MemoryMeter,
    pub(super) keys: KeyOverlay,
    pub(super) log: TaskLog,
    wasi: WasiCtx,
    handles: ResourceTable,
}

/// A granted directory that is not there.
#[derive(Debug, thiserror::Error)]
#[error("the directory granted as {mount} cannot be opened: {source}")]
pub(super) struct DirectoryGone {
    mount: String,
    source: wasmtime::Error,
}

impl CallState {
    pub(super) fn new(
        limits: Limits,
        keys: KeyOverlay,
        log: TaskLog,
        directories: &[GrantedDirectory],
    ) -> Result<Self, DirectoryGone> {
        let mut wasi = WasiCtx::builder();
        wasi.max_random_size(RANDOM_BYTES_MAX)
            .stdout(LogStream::new(log.clone(), LogLevel::Info))
            .stderr(LogStream::new(log.clone(), LogLevel::Warn));
        for granted in directories {
            granted
                .mount_into(&mut wasi)
                .map_err(|source| DirectoryGone { mount: granted.mount().to_owned(), source })?;
        }
        let handles = super::engine::handle_table();
        Ok(Self { memory: MemoryMeter::new(limits), keys, log, wasi: wasi.build(), handles })
    }
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.handles }
    }
}
