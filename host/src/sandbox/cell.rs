//! A sandbox: one instance of a plugin with the state that the host keeps for it.

use super::bindings::{Plugin as Instance, PluginPre};
use super::capacity::Place;
use super::limits::HOSTCALL_BYTES_MAX;
use super::pace::Pace;
use super::state::CallState;
use crate::domain::digest::Digest;
use crate::domain::ids::JobId;
use std::sync::Arc;
use wasmtime::Store;

/// Dropped after its call; only one whose call has returned in order, and whose job wants it, is kept for the next.
pub(super) struct Cell {
    pub(super) store: Store<CallState>,
    instance: Option<Instance>,
    /// How many calls it has begun.
    calls: u32,
    _place: Place,
}

/// The cell that a lane keeps between two calls, where its job wants that. It serves one job and one version of its
/// plugin.
#[derive(Default)]
pub struct WarmCell {
    calls_max: u32,
    kept: Option<(JobId, Digest, Cell)>,
}

impl Cell {
    pub(super) fn new(pre: &PluginPre<CallState>, state: CallState, place: Place) -> Self {
        let mut store = Store::new(pre.engine(), state);
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(HOSTCALL_BYTES_MAX);
        Self { store, instance: None, calls: 0, _place: place }
    }

    /// Has a call's own pace rule it from now on.
    pub(super) fn keep_pace(&mut self, pace: Arc<Pace>) {
        self.store.set_epoch_deadline(1);
        self.store.epoch_deadline_callback(move |_| pace.epoch_moved());
    }

    /// The instance, made at the first call.
    pub(super) async fn enter(
        &mut self,
        pre: &PluginPre<CallState>,
    ) -> wasmtime::Result<(&Instance, &mut Store<CallState>)> {
        self.calls += 1;
        if self.instance.is_none() {
            self.instance = Some(pre.instantiate_async(&mut self.store).await?);
        }
        Ok((self.instance.as_ref().expect("made above"), &mut self.store))
    }
}

impl WarmCell {
    /// For a job whose sandboxes serve so many calls; with 0 or 1 each call has a fresh one.
    pub fn for_calls(calls_max: u32) -> Self {
        Self { calls_max, kept: None }
    }

    /// The cell of the call before, if it may serve another.
    pub(super) fn take(&mut self, job: JobId, digest: Digest) -> Option<Cell> {
        let (of, version, cell) = self.kept.take()?;
        (of == job && version == digest && cell.calls < self.calls_max).then_some(cell)
    }

    /// Keeps a cell whose call has returned in order.
    pub(super) fn keep(&mut self, job: JobId, digest: Digest, cell: Cell) {
        if cell.calls < self.calls_max {
            self.kept = Some((job, digest, cell));
        }
    }
}
