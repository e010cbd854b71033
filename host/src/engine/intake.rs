//! From the identity of an interval to lanes that run its tasks.

use super::active::ActiveInterval;
use super::component::NotNow;
use super::lane;
use super::loader::Loader;
use super::planner::Planner;
use super::recorder::Exchange;
use super::turnstile::Turnstile;
use crate::clock::Clock;
use crate::domain::ids::IntervalId;
use crate::domain::timestamp::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A map that the executor's loop shares with what it has spawned. Ordered, so that the same events always lead to the
/// same order of work: a simulation can be run again.
pub(super) type Intervals<T> = Arc<Mutex<BTreeMap<IntervalId, T>>>;

/// Begins intervals beside the executor's loop: compiling a plugin takes up to seconds.
pub(super) struct Intake {
    pub(super) loader: Arc<Loader>,
    pub(super) planner: Planner,
    pub(super) recorder: Exchange,
    pub(super) turnstile: Arc<Turnstile>,
    /// Where guests and the recorders run: threads of their own, so that the API and the heartbeat do not wait for them.
    pub(super) guests: tokio::runtime::Handle,
    pub(super) clock: Arc<dyn Clock>,
    /// Intervals with a plan, loaded.
    pub(super) active: Intervals<Arc<ActiveInterval>>,
}

impl Intake {
    /// Plans an interval; with the segments that came with the plan its lanes can be filled at once.
    pub(super) async fn plan(self: Arc<Self>, interval: IntervalId) -> Result<(), NotNow> {
        let Some(loaded) = self.loader.load(interval).await? else { return Ok(()) };
        if let Some(planned) = self.planner.plan(loaded).await? {
            lock(&self.active).insert(interval, Arc::new(planned));
        }
        Ok(())
    }

    /// Loads an interval that has a plan, so that the executor claims for it.
    pub(super) async fn activate(self: Arc<Self>, interval: IntervalId) -> Result<(), NotNow> {
        if let Some(loaded) = self.loader.load_planned(interval).await? {
            lock(&self.active).insert(interval, Arc::new(loaded));
        }
        Ok(())
    }

    /// Starts lanes for tasks that could begin, as far as their jobs and the host allow; answers when a rate allows the
    /// next. For the executor's loop alone: two at a time would give the same lanes away.
    pub(super) fn fill_lanes(&self, active: &[Arc<ActiveInterval>], now: Timestamp) -> Option<Timestamp> {
        let (shares, allowed_at) = self.turnstile.share_out(active, now);
        for (interval, share) in active.iter().zip(shares).filter(|(_, share)| *share > 0) {
            interval.desk().lanes.start(share);
            let mut lanes = interval.lanes();
            while lanes.try_join_next().is_some() {}
            for _ in 0..share {
                lanes.spawn_on(lane::run(Arc::clone(interval), self.recorder.clone()), &self.guests);
            }
        }
        allowed_at
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
