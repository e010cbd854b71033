//! Takes intervals that have work, claims their segments and keeps their lanes filled.

use super::active::ActiveInterval;
use super::loader::Loader;
use super::recorder::Exchange;
use super::tick::Tick;
use super::turnstile::Turnstile;
use super::{lane, planner};
use crate::domain::ids::{IntervalId, SegmentId};
use crate::domain::segment;
use crate::domain::timestamp::Timestamp;
use crate::store::{Claim, HeldInterval, Store, StoreError};
use crate::wakeup::Wakeup;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::{AbortHandle, JoinSet};
use tracing::warn;

/// How many intervals one tick takes up.
const INTERVALS_MAX: u32 = 256;

/// How long an interval rests that could not begin.
const REST_FOR: Duration = Duration::from_secs(1);

/// How often what is held is compared with what the rows say.
const COMPARE_EVERY: Duration = Duration::from_secs(10);

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
    /// Intervals that could not begin, and until when they are left alone.
    pub(super) resting: Intervals<Timestamp>,
    pub(super) begun: Mutex<JoinSet<()>>,
    pub(super) turnstile: Arc<Turnstile>,
    /// When it last compared what it holds with what the rows say; none where they are to be compared at once.
    pub(super) compared_at: Mutex<Option<Timestamp>>,
}

/// A map that the loop shares with what it has spawned. Ordered, so that the same events always lead to the same order
/// of work: a simulation can be run again.
pub(super) type Intervals<T> = Arc<Mutex<BTreeMap<IntervalId, T>>>;

#[async_trait]
impl Tick for Executor {
    const NAME: &'static str = "executor";

    async fn tick(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let overdue = self.end_overdue(now).await?;
        self.compare(now).await?;
        lock(&self.resting).retain(|_, until| *until > now);
        for interval in self.store.claim_pending(self.loader.owner, now, INTERVALS_MAX).await? {
            if !lock(&self.resting).contains_key(&interval) {
                self.begin(interval, plan(Arc::clone(&self.loader), interval));
            }
        }
        let claimable = self.store.claimable_intervals(now, &self.not_to_be_taken_up(now), INTERVALS_MAX).await?;
        let mut has_taken = overdue > 0;
        for interval in &claimable {
            let known = lock(&self.active).get(interval).cloned();
            match known {
                Some(active) => match self.claim(&active, now).await {
                    // Nothing is given to the dead. The heartbeat renews the lease, or stops the host; until then
                    // there is nothing to do here, however much others find to claim.
                    Err(StoreError::LeaseLost(_)) => return Ok(None),
                    claimed => has_taken |= claimed?,
                },
                None => {
                    has_taken = true;
                    self.begin(*interval, activate(Arc::clone(&self.loader), Arc::clone(&self.active), *interval));
                }
            }
        }
        let active: Vec<_> = lock(&self.active).values().cloned().collect();
        let allowed_at = self.fill_lanes(&active, now);
        // Last: an interval that has just been loaded holds nothing before its first claim.
        self.forget_finished();
        let held = active.iter().filter_map(|interval| interval.desk().worklist.next_retry_at()).filter(|at| *at > now);
        let waiting = self.store.next_wake_at().await?.filter(|at| *at > now);
        if has_taken && [overdue, claimable.len()].contains(&(INTERVALS_MAX as usize)) {
            // There may be more than one tick takes up.
            self.wakeup.nudge();
        }
        Ok(held.chain(waiting).chain(allowed_at).min())
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
    if let Some(loaded) = loader.load_planned(interval).await? {
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
    /// One that works on nothing yet; `guests` is where calls and the recorder run.
    pub(super) fn new(
        loader: Loader,
        recorder: Exchange,
        turnstile: Arc<Turnstile>,
        wakeup: Wakeup,
        guests: tokio::runtime::Handle,
    ) -> Self {
        Self {
            store: Arc::clone(&loader.store),
            loader: Arc::new(loader),
            recorder,
            wakeup,
            guests,
            turnstile,
            active: Arc::default(),
            beginning: Arc::default(),
            resting: Arc::default(),
            begun: Mutex::default(),
            compared_at: Mutex::default(),
        }
    }

    /// The intervals that it works on.
    pub(super) fn working_on(&self) -> Vec<HeldInterval> {
        let mut held: Vec<_> = lock(&self.active).values().map(|active| active.held()).collect();
        held.extend(lock(&self.beginning).keys().map(|id| HeldInterval { id: *id, reopened: None }));
        held
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
            !(desk.is_over || desk.lanes == 0 && desk.worklist.is_at_rest())
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
        let (wakeup, clock, resting) = (self.wakeup.clone(), Arc::clone(&self.loader.clock), Arc::clone(&self.resting));
        let work = async move {
            let done = work.await;
            if done.is_err() {
                lock(&resting).insert(interval, clock.now() + REST_FOR);
            }
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

    /// Claims as many segments as keep the lanes busy for a while; tells whether there were any.
    async fn claim(&self, interval: &ActiveInterval, now: Timestamp) -> Result<bool, StoreError> {
        let tasks = interval.open.stages.iter().map(|stage| stage.tasks).max().unwrap_or(1);
        let limit = (2 * interval.lanes_max()).div_ceil(segment::length_for(tasks));
        let claim = Claim {
            owner: self.loader.owner,
            interval: interval.open.id,
            reopened: interval.open.reopened,
            limit,
            now,
        };
        let segments = match self.store.claim_segments(claim).await {
            Err(error @ StoreError::Unreadable { .. }) => {
                interval.abandon();
                self.loader.abandon(&interval.open, &format!("its progress is lost: {error}")).await?;
                return Ok(true);
            }
            Err(error) => {
                // It may have been done nevertheless.
                *lock(&self.compared_at) = None;
                return Err(error);
            }
            Ok(claimed) => claimed,
        };
        let has_taken = !segments.is_empty();
        let mut desk = interval.desk();
        desk.may_have_more = segments.len() == limit as usize;
        for segment in segments {
            desk.worklist.hold(segment);
        }
        Ok(has_taken)
    }

    /// Intervals for which there is no use in claiming now: they have enough, or are beginning, or could not.
    fn not_to_be_taken_up(&self, now: Timestamp) -> Vec<IntervalId> {
        let mut all: Vec<_> = lock(&self.beginning).keys().copied().collect();
        all.extend(lock(&self.resting).keys());
        all.extend(lock(&self.active).values().filter(|interval| has_enough(interval, now)).map(|one| one.open.id));
        all
    }

    /// Ends intervals that take longer than they may, and tells how many.
    async fn end_overdue(&self, now: Timestamp) -> Result<usize, StoreError> {
        let ended = self.store.end_overdue(now, INTERVALS_MAX).await?;
        for (interval, job) in &ended {
            warn!(interval.id = %interval, job.id = %job, "Interval {interval} of job {job} took longer than it may");
            self.abandon(*interval);
        }
        Ok(ended.len())
    }

    /// Gives back segments of which the rows say that they are this incarnation's, and of which it knows nothing: the
    /// answer to a claim was lost, or an interval could not be abandoned.
    async fn compare(&self, now: Timestamp) -> Result<(), StoreError> {
        if lock(&self.compared_at).is_some_and(|at| at <= now && now.since(at) < COMPARE_EVERY) {
            return Ok(());
        }
        let mut unknown = self.store.held_segments(self.loader.owner).await?;
        // Only this loop claims. What is let go meanwhile is not held any more when it is given back.
        unknown.retain(|segment| !self.knows(*segment));
        if !unknown.is_empty() {
            warn!("Giving back {} segments on which this host does not work", unknown.len());
            self.store.give_back(self.loader.owner, &unknown).await?;
        }
        *lock(&self.compared_at) = Some(now);
        Ok(())
    }

    fn knows(&self, segment: SegmentId) -> bool {
        // In this order: an interval leaves the list of beginning ones after it has come among the active ones.
        lock(&self.beginning).contains_key(&segment.interval)
            || lock(&self.active)
                .get(&segment.interval)
                .is_some_and(|interval| interval.desk().worklist.knows(segment.number))
    }

    /// Starts lanes for tasks that could begin, as far as their jobs and the host allow; answers when a rate allows the
    /// next.
    fn fill_lanes(&self, active: &[Arc<ActiveInterval>], now: Timestamp) -> Option<Timestamp> {
        let (shares, allowed_at) = self.turnstile.share_out(active, now);
        for (interval, share) in active.iter().zip(shares) {
            interval.desk().lanes += share;
            let mut lanes = interval.lanes();
            while lanes.try_join_next().is_some() {}
            for _ in 0..share {
                lanes.spawn_on(lane::run(Arc::clone(interval), self.recorder.clone()), &self.guests);
            }
        }
        allowed_at
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

/// Whether no segment needs to be claimed for it.
fn has_enough(interval: &ActiveInterval, now: Timestamp) -> bool {
    let desk = interval.desk();
    // While a suspect runs nothing else would: segments are of more use to other hosts.
    desk.is_over || desk.worklist.runs_suspect() || desk.worklist.startable(now) >= interval.lanes_max() as usize
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
