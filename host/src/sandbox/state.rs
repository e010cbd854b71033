//! What the host keeps for a sandbox, and drops with it.

use super::bindings::types::TaskError;
use super::context::IdempotencyKey;
use super::ending;
use super::events::EventList;
use super::http::Outgoing;
use super::keys::KeyOverlay;
use super::log::{Channel, LogStream, TaskLog};
use super::memory::{MemoryMeter, MemoryPool};
use super::scope::Scope;
use super::task_side::{MaybeTask, TaskSide};
use crate::domain::call_limits::CallLimits;
use crate::domain::task::FailureKind;
use std::sync::Arc;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// The state behind a sandbox's store.
pub(super) struct CallState {
    pub(super) memory: MemoryMeter,
    pub(super) keys: KeyOverlay,
    pub(super) events: EventList,
    pub(super) task: MaybeTask,
    pub(super) log: TaskLog,
    /// What the host has refused for a limit, the last time that it did.
    pub(super) refused: Option<String>,
    pub(super) outgoing: Outgoing,
    http: WasiHttpCtx,
    wasi: WasiCtx,
    pub(super) handles: ResourceTable,
}

/// What differs from one call of an interval to the next.
pub(super) struct PerCall {
    /// The host's side of a task; a plan has none.
    pub(super) task: Option<Arc<dyn TaskSide>>,
    /// What its requests carry unless it names another.
    pub(super) key: IdempotencyKey,
}

/// A granted directory that is not there.
#[derive(Debug, thiserror::Error)]
#[error("the directory granted as {mount} cannot be opened: {source}")]
pub(super) struct DirectoryGone {
    mount: String,
    source: wasmtime::Error,
}

impl CallState {
    pub(super) fn new(scope: &Arc<Scope>, per_call: PerCall, pool: &Arc<MemoryPool>) -> Result<Self, DirectoryGone> {
        let limits = scope.limits;
        let log = TaskLog::new(Arc::clone(scope));
        let mut wasi = WasiCtx::builder();
        wasi.max_random_size(limits.call.random_bytes_max)
            .stdout(LogStream::new(log.clone(), Channel::Stdout))
            .stderr(LogStream::new(log.clone(), Channel::Stderr))
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false);
        for (name, value) in scope.variables() {
            wasi.env(name, value);
        }
        for granted in &scope.reach.directories {
            granted
                .mount_into(&mut wasi)
                .map_err(|source| DirectoryGone { mount: granted.mount().to_owned(), source })?;
        }
        let mut handles = ResourceTable::new();
        handles.set_max_capacity(limits.call.handles_max.try_into().unwrap_or(usize::MAX));
        Ok(Self {
            memory: MemoryMeter::new(limits, Arc::clone(pool)),
            keys: KeyOverlay::new(Arc::clone(&scope.keys), limits.key_bytes_max),
            events: EventList::default(),
            task: MaybeTask { task: per_call.task, checkpoint_bytes_max: limits.call.checkpoint_bytes_max },
            outgoing: Outgoing::new(Arc::clone(scope), log.clone(), per_call.key),
            log,
            refused: None,
            http: WasiHttpCtx::new(),
            wasi: wasi.build(),
            handles,
        })
    }

    /// Makes ready for another call of the same interval: nothing is left of what the host kept for the one before. What
    /// the guest itself has kept, in its memory and behind its handles, stays.
    pub(super) fn begin_call(&mut self, per_call: PerCall) {
        self.memory.begin_call();
        self.outgoing.begin_call(per_call.key);
        self.keys.begin_call();
        self.events = EventList::default();
        self.task.task = per_call.task;
        self.refused = None;
    }

    /// How a call has failed that answers with an error: by a limit where the host refused it something for one.
    pub(super) fn answered(&self, error: TaskError) -> (FailureKind, String) {
        match (error, self.outgoing.limit_met(), &self.refused) {
            // Retryable or not: wasmtime ends a body's stream with an error without its code, so a plugin cannot tell.
            (TaskError::Retryable(message) | TaskError::Fatal(message), Some(limit), _) => {
                (FailureKind::LimitExceeded, format!("{limit}: {message}"))
            }
            (TaskError::Retryable(message), ..) => (FailureKind::Retryable, message),
            // The plugin passes on what the host has answered, in its own words or in the host's.
            (TaskError::Fatal(message), _, Some(refused)) if message.contains(refused) => {
                (FailureKind::LimitExceeded, message)
            }
            (TaskError::Fatal(message), _, Some(refused)) => {
                (FailureKind::LimitExceeded, format!("{refused}: {message}"))
            }
            (TaskError::Fatal(message), ..) => (FailureKind::Fatal, message),
        }
    }

    /// What an error that ended the call says, by all that the host knows.
    pub(super) fn failure(&self, error: &wasmtime::Error, limits: &CallLimits) -> (FailureKind, String) {
        if let Some(limit) = ending::limit(error, limits) {
            return (FailureKind::LimitExceeded, limit);
        }
        // What traps for want of memory was refused it before.
        if let Some(refusal) = self.memory.refusal() {
            return refusal;
        }
        let trap = error.root_cause().to_string();
        match self.outgoing.limit_met() {
            // The plugin has not expected that a body ends there.
            Some(limit) => (FailureKind::LimitExceeded, format!("{limit}: {trap}")),
            None => (FailureKind::Trap, trap),
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
