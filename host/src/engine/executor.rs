//! Takes intervals that have work, claims their segments and keeps their lanes filled.

use super::active::ActiveInterval;
use super::component::NotNow;
use super::intake::{Intake, Intervals, lock};
use super::tick::Tick;
use crate::domain::ids::{IncarnationId, IntervalId, SegmentId};
use crate::domain::shares::LaneShares;
use crate::domain::timestamp::Timestamp;
use crate::store::{Claim, Claimed, HeldInterval, PlanRoom, Store, StoreError};
use crate::wakeup::Wakeup;
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::{AbortHandle, JoinSet};
use tracing::warn;

/// How many intervals one tick takes up, and how many are planned at a time: while these are, the others stay free for
/// other hosts.
const INTERVALS_MAX: u32 = 256;

/// How many of these one job may have, and one workspace: plans may take long, and must not keep others out.
const PLANS_OF_JOB_MAX: u32 = INTERVALS_MAX / 2;
const PLANS_OF_WORKSPACE_MAX: u32 = INTERVALS_MAX / 4 * 3;

/// How long an interval rests that could not begin.
const REST_FOR: Duration = Duration::from_secs(1);

/// How often the host looks what others have of the lanes of its intervals, and how long it waits before it asks again
/// for lanes that it did not get.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The same while it has lanes to give back: they come free one by one.
const GIVE_BACK_EVERY: Duration = Duration::from_millis(50);

/// How often what is held is compared with what the rows say.
const COMPARE_EVERY: Duration = Duration::from_secs(10);

/// Runs the tasks of intervals.
pub struct Executor {
    pub(super) store: Arc<dyn Store>,
    owner: IncarnationId,
    intake: Arc<Intake>,
    wakeup: Wakeup,
    /// Intervals that are being loaded or planned.
    beginning: Intervals<AbortHandle>,
    /// Intervals that could not begin, and until when they are left alone.
    resting: Intervals<Timestamp>,
    begun: Mutex<JoinSet<()>>,
    /// When it last compared what it holds with what the rows say; none where they are to be compared at once.
    compared_at: Mutex<Option<Timestamp>>,
    /// When it last looked what others have of the lanes.
    looked_at: Mutex<Option<Timestamp>>,
}

#[async_trait]
impl Tick for Executor {
    const NAME: &'static str = "executor";

    async fn tick(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let overdue = self.end_overdue(now).await?;
        self.compare(now).await?;
        lock(&self.resting).retain(|_, until| *until > now);
        self.begin_plans(now).await?;
        let except = self.not_to_be_taken_up(now);
        let claimable = self.store.claimable_intervals(self.owner, now, &except, INTERVALS_MAX).await?;
        let mut has_taken = overdue > 0;
        let mut known = Vec::new();
        for interval in &claimable {
            let active = lock(&self.intake.active).get(interval).cloned();
            match active {
                Some(active) => known.push(active),
                None => {
                    has_taken = true;
                    self.begin(*interval, Arc::clone(&self.intake).activate(*interval));
                }
            }
        }
        let active: Vec<_> = lock(&self.intake.active).values().cloned().collect();
        let room = self.intake.turnstile.room(&active);
        let mut claims = self.reconsider(&active, room, now).await?;
        claims.retain(|(interval, _)| known.iter().all(|known| known.open.id != interval.open.id));
        claims.extend(known.into_iter().map(|interval| (Arc::clone(&interval), interval.claim(self.owner, room, now))));
        match self.claim(&claims, now).await {
            // Nothing is given to the dead. The heartbeat renews the lease, or stops the host; until then there is
            // nothing to do here, however much others find to claim.
            Err(StoreError::LeaseLost(_)) => return Ok(None),
            claimed => has_taken |= claimed?,
        }
        self.reserve(&active, now).await?;
        let allowed_at = self.intake.fill_lanes(&active, now);
        self.forget_finished(&active);
        let held = active.iter().filter_map(|interval| interval.desk().worklist.next_retry_at()).filter(|at| *at > now);
        let waiting = self.store.next_wake_at().await?.filter(|at| *at > now);
        let look_at = (!active.is_empty()).then(|| now + self.look_after(&active));
        if has_taken && [overdue, claimable.len()].contains(&(INTERVALS_MAX as usize)) {
            // There may be more than one tick takes up.
            self.wakeup.nudge();
        }
        Ok(held.chain(waiting).chain(allowed_at).chain(look_at).min())
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
    /// One that works on nothing yet, claims as `owner`, and looks again when `wakeup` is nudged.
    pub(super) fn new(store: Arc<dyn Store>, owner: IncarnationId, intake: Intake, wakeup: Wakeup) -> Self {
        Self {
            store,
            owner,
            intake: Arc::new(intake),
            wakeup,
            beginning: Arc::default(),
            resting: Arc::default(),
            begun: Mutex::default(),
            compared_at: Mutex::default(),
            looked_at: Mutex::default(),
        }
    }

    /// The intervals that it works on.
    pub(super) fn working_on(&self) -> Vec<HeldInterval> {
        let mut held: Vec<_> = lock(&self.intake.active).values().map(|active| active.held()).collect();
        held.extend(lock(&self.beginning).keys().map(|id| HeldInterval { id: *id, reopened: None }));
        held
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

    /// Forgets those of the intervals of which it holds nothing. One that has been loaded meanwhile is not among them: it
    /// holds nothing before its first claim. Nor is one that waits for lanes.
    fn forget_finished(&self, active: &[Arc<ActiveInterval>]) {
        let mut all = lock(&self.intake.active);
        let resting: BTreeSet<_> = lock(&self.resting).keys().copied().collect();
        for interval in active {
            let (id, desk) = (interval.open.id, interval.desk());
            let is_idle = desk.lanes.count() == 0 && desk.worklist.is_at_rest() && !resting.contains(&id);
            if (desk.is_over || is_idle) && all.get(&id).is_some_and(|known| Arc::ptr_eq(known, interval)) {
                all.remove(&id);
            }
        }
        drop(all);
        let mut begun = lock(&self.begun);
        while begun.try_join_next().is_some() {}
    }

    async fn begin_plans(&self, now: Timestamp) -> Result<(), StoreError> {
        // Before the question: a plan that is recorded meanwhile leaves the list, and is not to be made twice.
        let in_hand: BTreeSet<_> = lock(&self.beginning).keys().copied().collect();
        let all = INTERVALS_MAX.saturating_sub(u32::try_from(in_hand.len()).unwrap_or(u32::MAX));
        let room = PlanRoom { all, job: PLANS_OF_JOB_MAX, workspace: PLANS_OF_WORKSPACE_MAX };
        for interval in self.store.claim_pending(self.owner, now, room).await? {
            if !in_hand.contains(&interval) && !lock(&self.resting).contains_key(&interval) {
                self.begin(interval, Arc::clone(&self.intake).plan(interval));
            }
        }
        Ok(())
    }

    /// Does something for an interval beside the loop, once at a time. What cannot be done just now is done again at a
    /// later tick.
    fn begin(&self, interval: IntervalId, work: impl Future<Output = Result<(), NotNow>> + Send + 'static) {
        // Held until the list has the interval, so that even work that ends at once finds it there.
        let mut list = lock(&self.beginning);
        if list.contains_key(&interval) {
            return;
        }
        let beginning = Beginning { interval, list: Arc::clone(&self.beginning) };
        let (wakeup, clock, resting) = (self.wakeup.clone(), Arc::clone(&self.intake.clock), Arc::clone(&self.resting));
        let work = async move {
            let done = work.await;
            if done.is_err() {
                lock(&resting).insert(interval, clock.now() + REST_FOR);
            }
            drop(beginning);
            match done {
                Ok(()) => wakeup.nudge(),
                // The interval was cancelled meanwhile.
                Err(NotNow::Store(StoreError::LeaseLost(_))) => {}
                // Of which people have been told.
                Err(NotNow::Store(StoreError::Away(_))) => {}
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    warn!(error, interval.id = %interval, "Interval {interval} cannot begin just now");
                }
            }
        };
        list.insert(interval, lock(&self.begun).spawn_on(work, &self.intake.guests));
    }

    /// Claims for all in one commit; tells whether there were any segments, or any trouble.
    async fn claim(&self, claims: &[(Arc<ActiveInterval>, Claim)], now: Timestamp) -> Result<bool, StoreError> {
        if claims.is_empty() {
            return Ok(false);
        }
        let asks: Vec<_> = claims.iter().map(|(_, claim)| *claim).collect();
        // Where it fails it may have been done nevertheless.
        let claimed = self.store.claim_segments(&asks).await.inspect_err(|_| *lock(&self.compared_at) = None)?;
        let mut has_taken = false;
        for ((interval, claim), claimed) in claims.iter().zip(claimed) {
            match claimed {
                Ok(claimed) => {
                    has_taken |= !claimed.segments.is_empty();
                    self.take(interval, claim, claimed, now);
                }
                Err(error) => {
                    has_taken = true;
                    interval.abandon();
                    let reason = format!("its progress is lost: {error}");
                    self.intake.loader.abandon(&interval.open, &reason).await?;
                }
            }
        }
        Ok(has_taken)
    }

    fn take(&self, interval: &ActiveInterval, claim: &Claim, claimed: Claimed, now: Timestamp) {
        let lanes = claimed.lanes;
        if claim.limit == 0 {
            interval.desk().lanes.take(lanes);
            if lanes.lanes <= claim.lanes.in_use {
                // Others may take up what is given back.
                self.wakeup.nudge_everywhere();
            }
            return;
        }
        if lanes.lanes == 0 {
            lock(&self.resting).insert(interval.open.id, now + LOOK_EVERY);
        }
        interval.hold(claimed);
    }

    /// Looks now and then what others have of the lanes of its intervals, and answers with what to ask for.
    async fn reconsider(
        &self,
        active: &[Arc<ActiveInterval>],
        room: u32,
        now: Timestamp,
    ) -> Result<Vec<(Arc<ActiveInterval>, Claim)>, StoreError> {
        let is_too_soon = |at: Timestamp| at <= now && now.since(at) < self.look_after(active);
        if active.is_empty() || lock(&self.looked_at).is_some_and(is_too_soon) {
            return Ok(Vec::new());
        }
        let ids: Vec<_> = active.iter().map(|interval| interval.open.id).collect();
        let shares: BTreeMap<_, _> = self.store.lane_shares(&ids).await?.into_iter().collect();
        *lock(&self.looked_at) = Some(now);
        let none = LaneShares::default();
        let reconsidered = active.iter().filter_map(|interval| {
            let shares = shares.get(&interval.open.id).unwrap_or(&none);
            Some((Arc::clone(interval), interval.reconsider(self.owner, shares, room, now)?))
        });
        Ok(reconsidered.collect())
    }

    fn look_after(&self, active: &[Arc<ActiveInterval>]) -> Duration {
        let has_surplus = active.iter().any(|interval| interval.desk().lanes.has_surplus());
        if has_surplus { GIVE_BACK_EVERY } else { LOOK_EVERY }
    }

    /// Reserves what lanes that could start need of the rates of their jobs; most jobs have none.
    async fn reserve(&self, active: &[Arc<ActiveInterval>], now: Timestamp) -> Result<(), StoreError> {
        let asks = self.intake.turnstile.to_reserve(active, now);
        if !asks.is_empty() {
            let grants = self.store.reserve_rates(&asks, now).await?;
            self.intake.turnstile.reserved(&asks, &grants, now);
        }
        Ok(())
    }

    /// Intervals for which there is no use in claiming now: they have enough, or are beginning, or could not.
    fn not_to_be_taken_up(&self, now: Timestamp) -> Vec<IntervalId> {
        let mut all: Vec<_> = lock(&self.beginning).keys().copied().collect();
        all.extend(lock(&self.resting).keys());
        all.extend(
            lock(&self.intake.active).values().filter(|interval| has_enough(interval, now)).map(|one| one.open.id),
        );
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
        let mut unknown = self.store.held_segments(self.owner).await?;
        // Only this loop claims. What is let go meanwhile is not held any more when it is given back.
        unknown.retain(|segment| !self.knows(*segment));
        if !unknown.is_empty() {
            warn!("Giving back {} segments on which this host does not work", unknown.len());
            self.store.give_back(self.owner, &unknown).await?;
        }
        *lock(&self.compared_at) = Some(now);
        Ok(())
    }

    fn knows(&self, segment: SegmentId) -> bool {
        // In this order: an interval leaves the list of beginning ones after it has come among the active ones.
        lock(&self.beginning).contains_key(&segment.interval)
            || lock(&self.intake.active)
                .get(&segment.interval)
                .is_some_and(|interval| interval.desk().worklist.knows(segment.number))
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

/// Whether no segment needs to be claimed for it.
fn has_enough(interval: &ActiveInterval, now: Timestamp) -> bool {
    let desk = interval.desk();
    // While a suspect runs nothing else would: segments are of more use to other hosts.
    desk.is_over || desk.worklist.runs_suspect() || desk.worklist.startable(now) >= desk.lanes.usable().max(1) as usize
}
