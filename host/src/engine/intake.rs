//! From the identity of an interval to lanes that run its tasks.

use super::active::ActiveInterval;
use super::lane;
use super::loader::Loader;
use super::planner::Planner;
use super::recorder::Exchange;
use crate::clock::Clock;
use crate::domain::ids::IntervalId;
use crate::domain::timestamp::Timestamp;
use crate::store::StoreError;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A map that the executor's loop shares with what it has spawned.
pub(super) type Intervals<T> = Arc<Mutex<HashMap<IntervalId, T>>>;

/// Begins intervals beside the executor's loop: compiling a plugin takes up to seconds.
pub(super) struct Intake {
    pub(super) loader: Arc<Loader>,
    pub(super) planner: Planner,
    pub(super) recorder: Exchange,
    /// Where guests and the recorders run: threads of their own, so that the API and the heartbeat do not wait for them.
    pub(super) guests: tokio::runtime::Handle,
    pub(super) clock: Arc<dyn Clock>,
    /// Intervals with a plan, loaded.
    pub(super) active: Intervals<Arc<ActiveInterval>>,
}

impl Intake {
    /// Plans an interval and begins its tasks: the segments that came with the plan need no look of the executor.
    pub(super) async fn plan(self: Arc<Self>, interval: IntervalId) -> Result<(), StoreError> {
        let Some(loaded) = self.loader.load(interval).await? else { return Ok(()) };
        if let Some(planned) = self.planner.plan(loaded).await? {
            let planned = Arc::new(planned);
            lock(&self.active).insert(interval, Arc::clone(&planned));
            self.fill_lanes(&planned, self.clock.now());
        }
        Ok(())
    }

    /// Loads an interval that has a plan, so that the executor claims for it.
    pub(super) async fn activate(self: Arc<Self>, interval: IntervalId) -> Result<(), StoreError> {
        if let Some(loaded) = self.loader.load(interval).await? {
            lock(&self.active).insert(interval, Arc::new(loaded));
        }
        Ok(())
    }

    /// Starts lanes for tasks that could begin, as far as the job allows.
    pub(super) fn fill_lanes(&self, interval: &Arc<ActiveInterval>, now: Timestamp) {
        let mut desk = interval.desk();
        let startable = u32::try_from(desk.worklist.startable(now)).unwrap_or(u32::MAX);
        // Lanes that run take up tasks, too, as they come free; at worst a new lane finds nothing and rests.
        let wanted = interval.lanes_max().saturating_sub(desk.lanes).min(startable);
        desk.lanes += wanted;
        drop(desk);
        if wanted == 0 {
            return;
        }
        let mut lanes = interval.lanes();
        while lanes.try_join_next().is_some() {}
        for _ in 0..wanted {
            lanes.spawn_on(lane::run(Arc::clone(interval), self.recorder.clone()), &self.guests);
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
