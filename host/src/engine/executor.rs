//! Takes intervals that have work, claims their segments and keeps their lanes filled.

use super::active::ActiveInterval;
use super::intake::{Intake, Intervals, lock};
use super::tick::Tick;
use crate::domain::ids::{IncarnationId, IntervalId};
use crate::domain::timestamp::Timestamp;
use crate::store::{Claim, Store, StoreError};
use crate::wakeup::Wakeup;
use async_trait::async_trait;
use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use tokio::task::{AbortHandle, JoinSet};
use tracing::warn;

/// How many intervals one tick takes up, and how many are planned at a time: while these are, the others stay free for
/// other hosts.
const INTERVALS_MAX: u32 = 256;

/// Runs the tasks of intervals.
pub struct Executor {
    pub(super) store: Arc<dyn Store>,
    owner: IncarnationId,
    intake: Arc<Intake>,
    wakeup: Wakeup,
    /// Intervals that are being loaded or planned.
    beginning: Intervals<AbortHandle>,
    begun: Mutex<JoinSet<()>>,
}

#[async_trait]
impl Tick for Executor {
    const NAME: &'static str = "executor";

    async fn tick(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.begin_plans(now).await?;
        let mut known = Vec::new();
        for interval in self.store.claimable_intervals(now, INTERVALS_MAX).await? {
            let active = lock(&self.intake.active).get(&interval).cloned();
            match active {
                Some(active) => known.push(active),
                None => self.begin(interval, Arc::clone(&self.intake).activate(interval)),
            }
        }
        self.claim(&known, now).await?;
        let active: Vec<_> = lock(&self.intake.active).values().cloned().collect();
        for interval in &active {
            self.intake.fill_lanes(interval, now);
        }
        // Last: an interval that has just been loaded holds nothing before its first claim.
        self.forget_finished();
        let held = active.iter().filter_map(|interval| interval.desk().worklist.next_retry_at()).filter(|at| *at > now);
        let waiting = self.store.next_wake_at().await?.filter(|at| *at > now);
        Ok(held.chain(waiting).min())
    }
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
    /// An executor that claims as `owner`, and looks again when `wakeup` is nudged.
    pub(super) fn new(store: Arc<dyn Store>, owner: IncarnationId, intake: Intake, wakeup: Wakeup) -> Self {
        let intake = Arc::new(intake);
        Self { store, owner, intake, wakeup, beginning: Arc::default(), begun: Mutex::default() }
    }

    /// The intervals that it works on.
    pub(super) fn working_on(&self) -> Vec<IntervalId> {
        let mut intervals: Vec<_> = lock(&self.intake.active).keys().copied().collect();
        intervals.extend(lock(&self.beginning).keys());
        intervals
    }

    /// Lets go of an interval that has ended elsewhere.
    pub(super) fn abandon(&self, interval: IntervalId) {
        let active = lock(&self.intake.active).remove(&interval);
        if let Some(active) = active {
            active.abandon();
        }
        if let Some(beginning) = lock(&self.beginning).get(&interval) {
            beginning.abort();
        }
    }

    fn forget_finished(&self) {
        lock(&self.intake.active).retain(|_, interval| {
            let desk = interval.desk();
            !(desk.is_over || desk.lanes == 0 && desk.worklist.is_empty())
        });
        let mut begun = lock(&self.begun);
        while begun.try_join_next().is_some() {}
    }

    async fn begin_plans(&self, now: Timestamp) -> Result<(), StoreError> {
        // Before the question: a plan that is recorded meanwhile leaves the list, and is not to be made twice.
        let in_hand: HashSet<_> = lock(&self.beginning).keys().copied().collect();
        let room = INTERVALS_MAX.saturating_sub(u32::try_from(in_hand.len()).unwrap_or(u32::MAX));
        for interval in self.store.claim_pending(self.owner, now, room).await? {
            if !in_hand.contains(&interval) {
                self.begin(interval, Arc::clone(&self.intake).plan(interval));
            }
        }
        Ok(())
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
        list.insert(interval, lock(&self.begun).spawn_on(work, &self.intake.guests));
    }

    /// Claims as many segments as keep the lanes busy for a while, for all in one commit.
    async fn claim(&self, intervals: &[Arc<ActiveInterval>], now: Timestamp) -> Result<(), StoreError> {
        let in_need: Vec<_> = intervals.iter().filter(|interval| !has_enough(interval, now)).collect();
        if in_need.is_empty() {
            return Ok(());
        }
        let claim = |interval: &&Arc<ActiveInterval>| Claim {
            owner: self.owner,
            interval: interval.open.id,
            limit: interval.segments_max(),
            now,
        };
        let claims: Vec<_> = in_need.iter().map(claim).collect();
        let claimed = self.store.claim_segments(&claims).await?;
        for (interval, segments) in in_need.into_iter().zip(claimed) {
            match segments {
                Ok(segments) => interval.hold(segments),
                Err(error) => {
                    interval.abandon();
                    let reason = format!("its progress is lost: {error}");
                    self.intake.loader.abandon(&interval.open, &reason).await?;
                }
            }
        }
        Ok(())
    }

    /// Waits until every plan and lane has ended; the caller bounds the wait.
    pub(super) async fn drained(&self) {
        // Plans first: each may start lanes, which find that no task may begin any more.
        let mut begun = std::mem::take(&mut *lock(&self.begun));
        while begun.join_next().await.is_some() {}
        let active: Vec<_> = lock(&self.intake.active).values().cloned().collect();
        for interval in active {
            let mut lanes = std::mem::take(&mut *interval.lanes());
            while lanes.join_next().await.is_some() {}
        }
    }

    /// Drops every call where it is.
    pub(super) fn let_go(&self) {
        lock(&self.begun).abort_all();
        for interval in lock(&self.intake.active).values() {
            interval.lanes().abort_all();
        }
    }
}

fn has_enough(interval: &ActiveInterval, now: Timestamp) -> bool {
    let worklist = &interval.desk().worklist;
    // While a suspect runs nothing else would: segments are of more use to other hosts.
    worklist.runs_suspect() || worklist.startable(now) >= interval.lanes_max() as usize
}
