//! What the host keeps for one call, and drops with it.

use super::events::EventList;
use super::keys::KeyOverlay;
use super::limits::{Limits, MemoryMeter, RANDOM_BYTES_MAX};
use super::log::{LogStream, TaskLog};
use super::reach::Reach;
use super::task_side::MaybeTask;
use crate::domain::task::LogLevel;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// The state behind one call's store.
pub(super) struct CallState {
    pub(super) memory: MemoryMeter,
    pub(super) keys: KeyOverlay,
    pub(super) events: EventList,
    pub(super) task: MaybeTask,
    pub(super) log: TaskLog,
    /// Whether the host has refused something for a limit.
    pub(super) has_hit_limit: bool,
    wasi: WasiCtx,
    handles: ResourceTable,
}

/// What a call asks of the host beside its log.
pub(super) struct Offers {
    pub(super) keys: KeyOverlay,
    pub(super) events: EventList,
    pub(super) task: MaybeTask,
}

/// A granted directory that is not there.
#[derive(Debug, thiserror::Error)]
#[error("the directory granted as {mount} cannot be opened: {source}")]
pub(super) struct DirectoryGone {
    mount: String,
    source: wasmtime::Error,
}

impl CallState {
    pub(super) fn new(limits: Limits, offers: Offers, log: TaskLog, reach: &Reach) -> Result<Self, DirectoryGone> {
        let mut wasi = WasiCtx::builder();
        wasi.max_random_size(RANDOM_BYTES_MAX)
            .stdout(LogStream::new(log.clone(), LogLevel::Info))
            .stderr(LogStream::new(log.clone(), LogLevel::Warn));
        for granted in &reach.directories {
            granted
                .mount_into(&mut wasi)
                .map_err(|source| DirectoryGone { mount: granted.mount().to_owned(), source })?;
        }
        let handles = super::engine::handle_table();
        let Offers { keys, events, task } = offers;
        let memory = MemoryMeter::new(limits);
        Ok(Self { memory, keys, events, task, log, has_hit_limit: false, wasi: wasi.build(), handles })
    }
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.handles }
    }
}
