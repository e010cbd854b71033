//! A sandbox: one instance of a plugin with the state that the host keeps for it.

use super::bindings::{Plugin as Instance, PluginPre};
use super::capacity::Place;
use super::limits::HOSTCALL_BYTES_MAX;
use super::pace::Pace;
use super::scope::Scope;
use super::state::{CallState, PerCall};
use crate::domain::digest::Digest;
use std::sync::Arc;
use wasmtime::Store;

/// Dropped after its call; only one whose call has returned in order and left nothing on its way, and whose job wants it,
/// is kept for the next.
pub(super) struct Cell {
    pub(super) store: Store<CallState>,
    pub(super) pace: Arc<Pace>,
    instance: Option<Instance>,
    /// How many calls it has begun.
    calls: u32,
    _place: Place,
}

/// The cell that a lane keeps between two calls, where its job wants that. It serves one interval, and so one
/// job and one version of its plugin.
#[derive(Default)]
pub struct WarmCell {
    calls_max: u32,
    kept: Option<(Digest, Cell)>,
}

impl Cell {
    pub(super) fn new(pre: &PluginPre<CallState>, state: CallState, pace: Arc<Pace>, place: Place) -> Self {
        // Those that the component makes itself count like the host's.
        let handles_max = state.handles.max_capacity();
        let mut store = Store::new(pre.engine(), state);
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(HOSTCALL_BYTES_MAX);
        store.set_max_component_handles(handles_max);
        store.set_epoch_deadline(1);
        let of_guest = Arc::clone(&pace);
        store.epoch_deadline_callback(move |_| of_guest.epoch_moved());
        Self { store, pace, instance: None, calls: 0, _place: place }
    }

    /// Makes ready for another call of the same interval.
    pub(super) fn begin_call(&mut self, per_call: PerCall) {
        self.store.data_mut().begin_call(per_call);
        self.store.set_epoch_deadline(1);
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
    pub(super) fn take(&mut self, scope: &Arc<Scope>, digest: Digest) -> Option<Cell> {
        let (version, cell) = self.kept.take()?;
        // A lane serves one interval with one version, but that must not rest on lanes.
        (cell.pace.is_of(scope) && version == digest).then_some(cell)
    }

    /// Keeps a cell whose call has returned in order.
    pub(super) fn keep(&mut self, digest: Digest, cell: Cell) {
        if cell.calls < self.calls_max {
            self.kept = Some((digest, cell));
        }
    }
}
