//! What the host keeps for one call, and drops with it.

use super::bindings::types::TaskError;
use super::ending;
use super::events::EventList;
use super::http::Outgoing;
use super::keys::KeyOverlay;
use super::limits::Limits;
use super::log::{Channel, LogStream, TaskLog};
use super::memory::{MemoryMeter, MemoryPool};
use super::reach::Reach;
use super::task_side::MaybeTask;
use crate::domain::call_limits::CallLimits;
use crate::domain::task::FailureKind;
use std::sync::Arc;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// The state behind one call's store.
pub(super) struct CallState {
    pub(super) memory: MemoryMeter,
    pub(super) keys: KeyOverlay,
    pub(super) events: EventList,
    pub(super) task: MaybeTask,
    pub(super) log: TaskLog,
    /// Whether the host has refused something for a limit.
    pub(super) has_hit_limit: bool,
    pub(super) outgoing: Outgoing,
    http: WasiHttpCtx,
    wasi: WasiCtx,
    handles: ResourceTable,
}

/// What a call asks of the host beside its log.
pub(super) struct Offers {
    pub(super) keys: KeyOverlay,
    pub(super) events: EventList,
    pub(super) task: MaybeTask,
    /// What its requests carry unless it names another.
    pub(super) idempotency_key: String,
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
        offers: Offers,
        log: TaskLog,
        reach: &Reach,
        pool: &Arc<MemoryPool>,
    ) -> Result<Self, DirectoryGone> {
        let mut wasi = WasiCtx::builder();
        wasi.max_random_size(limits.call.random_bytes_max)
            .stdout(LogStream::new(log.clone(), Channel::Stdout))
            .stderr(LogStream::new(log.clone(), Channel::Stderr))
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .envs(&reach.variables());
        for granted in &reach.directories {
            granted
                .mount_into(&mut wasi)
                .map_err(|source| DirectoryGone { mount: granted.mount().to_owned(), source })?;
        }
        let mut handles = ResourceTable::new();
        handles.set_max_capacity(limits.call.handles_max.try_into().unwrap_or(usize::MAX));
        let Offers { keys, events, task, idempotency_key } = offers;
        let memory = MemoryMeter::new(limits, Arc::clone(pool));
        let outgoing = Outgoing::new(&limits, reach, log.clone(), idempotency_key);
        let (wasi, http) = (wasi.build(), WasiHttpCtx::new());
        Ok(Self { memory, keys, events, task, log, has_hit_limit: false, outgoing, http, wasi, handles })
    }

    /// Makes ready for another call of the same job: nothing is left of what the host kept for the one before. What the
    /// guest itself has kept, in its memory and behind its handles, stays.
    pub(super) fn begin_call(&mut self, offers: Offers) {
        let Offers { keys, events, task, idempotency_key } = offers;
        self.memory.begin_call();
        self.outgoing.begin_call(idempotency_key);
        (self.keys, self.events, self.task, self.has_hit_limit) = (keys, events, task, false);
    }

    /// How a call has failed that answers with an error: by a limit where the host refused it something for one.
    pub(super) fn answered(&self, error: TaskError) -> (FailureKind, String) {
        match (error, self.outgoing.limit_met()) {
            // Retryable or not: wasmtime ends a body's stream with an error without its code, so a plugin cannot tell.
            (TaskError::Retryable(message) | TaskError::Fatal(message), Some(limit)) => {
                (FailureKind::LimitExceeded, format!("{limit}: {message}"))
            }
            (TaskError::Retryable(message), None) => (FailureKind::Retryable, message),
            // The plugin only passes on what the host has answered.
            (TaskError::Fatal(message), None) if self.has_hit_limit => (FailureKind::LimitExceeded, message),
            (TaskError::Fatal(message), None) => (FailureKind::Fatal, message),
        }
    }

    /// What an error that ended the call says, by all that the host knows.
    pub(super) fn failure(&self, error: &wasmtime::Error, limits: &CallLimits) -> (FailureKind, String) {
        if let Some(refusal) = self.memory.refusal() {
            return refusal;
        }
        match (ending::failure(error, limits), self.outgoing.limit_met()) {
            // The plugin has not expected that a body ends there.
            ((FailureKind::Trap, trap), Some(limit)) => (FailureKind::LimitExceeded, format!("{limit}: {trap}")),
            (failure, _) => failure,
        }
    }
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.handles }
    }
}

impl WasiHttpView for CallState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.outgoing, table: &mut self.handles, ctx: &mut self.http }
    }
}
