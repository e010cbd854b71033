//! Takes intervals that have work, claims their segments and keeps their lanes filled.

use super::active::ActiveInterval;
use super::loader::Loader;
use super::recorder::Exchange;
use super::tick::Tick;
use super::{lane, planner};
use crate::domain::ids::IntervalId;
use crate::domain::segment;
use crate::domain::timestamp::Timestamp;
use crate::store::{Claim, Store, StoreError};
use crate::wakeup::Wakeup;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::{AbortHandle, JoinSet};
use tracing::warn;

/// How many intervals one tick takes up.
const INTERVALS_MAX: u32 = 256;

/// Runs the tasks of intervals.
pub struct Executor {
    pub(super) store: Arc<dyn Store>,
    pub(super) loader: Arc<Loader>,
    pub(super) recorder: Exchange,
    pub(super) wakeup: Wakeup,
    /// Where guests and the recorder run: threads of their own, so that the API and the heartbeat do not wait for them.
    pub(super) guests: tokio::runtime::Handle,
    /// Intervals with a plan, loaded.
    pub(super) active: Intervals<Arc<ActiveInterval>>,
    /// Intervals that are being loaded or planned, beside the loop: compiling a plugin takes up to seconds.
    pub(super) beginning: Intervals<AbortHandle>,
    pub(super) begun: Mutex<JoinSet<()>>,
}

/// A map that the loop shares with what it has spawned. Ordered, so that the same events always lead to the same order
/// of work: a simulation can be run again.
pub(super) type Intervals<T> = Arc<Mutex<BTreeMap<IntervalId, T>>>;

#[async_trait]
impl Tick for Executor {
    const NAME: &'static str = "executor";

    async fn tick(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        for interval in self.store.claim_pending(self.loader.owner, now, INTERVALS_MAX).await? {
            self.begin(interval, plan(Arc::clone(&self.loader), interval));
        }
        for interval in self.store.claimable_intervals(now, INTERVALS_MAX).await? {
            let known = lock(&self.active).get(&interval).cloned();
            match known {
                Some(active) => match self.claim(&active, now).await {
                    // Nothing is given to the dead. The heartbeat renews the lease, or stops the host; until then
                    // there is nothing to do here, however much others find to claim.
                    Err(StoreError::LeaseLost(_)) => return Ok(None),
                    claimed => claimed?,
                },
                None => self.begin(interval, activate(Arc::clone(&self.loader), Arc::clone(&self.active), interval)),
            }
        }
        let active: Vec<_> = lock(&self.active).values().cloned().collect();
        for interval in &active {
            self.fill_lanes(interval, now);
        }
        // Last: an interval that has just been loaded holds nothing before its first claim.
        self.forget_finished();
        let held = active.iter().filter_map(|interval| interval.desk().worklist.next_retry_at()).filter(|at| *at > now);
        let waiting = self.store.next_wake_at().await?.filter(|at| *at > now);
        Ok(held.chain(waiting).min())
    }
}

/// Makes an interval's plan.
async fn plan(loader: Arc<Loader>, interval: IntervalId) -> Result<(), StoreError> {
    let Some(active) = loader.load(interval).await? else { return Ok(()) };
    planner::plan(&active, &*loader.store, &*loader.clock, loader.owner).await
}

/// Loads an interval that has a plan.
async fn activate(
    loader: Arc<Loader>,
    active: Intervals<Arc<ActiveInterval>>,
    interval: IntervalId,
) -> Result<(), StoreError> {
    if let Some(loaded) = loader.load(interval).await? {
        lock(&active).insert(interval, Arc::new(loaded));
    }
    Ok(())
}

/// Takes an interval off the list of beginning ones, however its beginning ends.
struct Beginning {
    interval: IntervalId,
    list: Intervals<AbortHandle>,
}

impl Drop for Beginning {
    fn drop(&mut self) {
        lock(&self.list).remove(&self.interval);
    }
}

impl Executor {
    /// The intervals that it works on.
    pub(super) fn working_on(&self) -> Vec<IntervalId> {
        let mut intervals: Vec<_> = lock(&self.active).keys().copied().collect();
        intervals.extend(lock(&self.beginning).keys());
        intervals
    }

    /// Lets go of an interval that has ended elsewhere.
    pub(super) fn abandon(&self, interval: IntervalId) {
        let active = lock(&self.active).remove(&interval);
        if let Some(active) = active {
            active.abandon();
        }
        if let Some(beginning) = lock(&self.beginning).get(&interval) {
            beginning.abort();
        }
    }

    fn forget_finished(&self) {
        lock(&self.active).retain(|_, interval| {
            let desk = interval.desk();
            !(desk.is_over || desk.lanes == 0 && desk.worklist.is_empty())
        });
        let mut begun = lock(&self.begun);
        while begun.try_join_next().is_some() {}
    }

    /// Does something for an interval beside the loop, once at a time. What the store fails is done again at a later
    /// tick.
    fn begin(&self, interval: IntervalId, work: impl Future<Output = Result<(), StoreError>> + Send + 'static) {
        // Held until the list has the interval, so that even work that ends at once finds it there.
        let mut list = lock(&self.beginning);
        if list.contains_key(&interval) {
            return;
        }
        let beginning = Beginning { interval, list: Arc::clone(&self.beginning) };
        let wakeup = self.wakeup.clone();
        let work = async move {
            let done = work.await;
            drop(beginning);
            match done {
                Ok(()) => wakeup.nudge(),
                // The interval was cancelled meanwhile.
                Err(StoreError::LeaseLost(_)) => {}
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    warn!(error, interval.id = %interval, "Interval {interval} cannot begin just now");
                }
            }
        };
        list.insert(interval, lock(&self.begun).spawn_on(work, &self.guests));
    }

    /// Claims as many segments as keep the lanes busy for a while.
    async fn claim(&self, interval: &ActiveInterval, now: Timestamp) -> Result<(), StoreError> {
        let lanes = interval.lanes_max();
        let has_enough = {
            let worklist = &interval.desk().worklist;
            // While a suspect runs nothing else would: segments are of more use to other hosts.
            worklist.runs_suspect() || worklist.startable(now) >= lanes as usize
        };
        if has_enough {
            return Ok(());
        }
        let tasks = interval.open.stages.iter().map(|stage| stage.tasks).max().unwrap_or(1);
        let limit = (2 * lanes).div_ceil(segment::length_for(tasks));
        let claim = Claim { owner: self.loader.owner, interval: interval.open.id, limit, now };
        let segments = match self.store.claim_segments(claim).await {
            Err(error @ StoreError::Unreadable { .. }) => {
                interval.abandon();
                return self.loader.abandon(&interval.open, &format!("its progress is lost: {error}")).await;
            }
            claimed => claimed?,
        };
        let mut desk = interval.desk();
        desk.may_have_more = segments.len() == limit as usize;
        for segment in segments {
            desk.worklist.hold(segment);
        }
        Ok(())
    }

    /// Starts lanes for tasks that could begin, as far as the job allows.
    fn fill_lanes(&self, interval: &Arc<ActiveInterval>, now: Timestamp) {
        let mut desk = interval.desk();
        let startable = u32::try_from(desk.worklist.startable(now)).unwrap_or(u32::MAX);
        // Lanes that run take up tasks, too, as they come free; at worst a new lane finds nothing and rests.
        let wanted = interval.lanes_max().saturating_sub(desk.lanes).min(startable);
        desk.lanes += wanted;
        drop(desk);
        let mut lanes = interval.lanes();
        while lanes.try_join_next().is_some() {}
        for _ in 0..wanted {
            lanes.spawn_on(lane::run(Arc::clone(interval), self.recorder.clone()), &self.guests);
        }
    }

    /// Waits until every lane and plan has ended; the caller bounds the wait.
    pub(super) async fn drained(&self) {
        let active: Vec<_> = lock(&self.active).values().cloned().collect();
        for interval in active {
            let mut lanes = std::mem::take(&mut *interval.lanes());
            while lanes.join_next().await.is_some() {}
        }
        let mut begun = std::mem::take(&mut *lock(&self.begun));
        while begun.join_next().await.is_some() {}
    }

    /// Drops every call where it is.
    pub(super) fn let_go(&self) {
        for interval in lock(&self.active).values() {
            interval.lanes().abort_all();
        }
        lock(&self.begun).abort_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
