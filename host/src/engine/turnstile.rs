//! Decides whether a lane may begin another task: the intervals' shares of the host's lanes, and the jobs' rates.

use super::active::ActiveInterval;
use crate::domain::ids::JobId;
use crate::domain::job::MAX_PARALLEL_MAX;
use crate::domain::lanes::{Bid, LaneCaps, Unmet, share_out};
use crate::domain::rate::{RateAsk, RateGrant, Reservations};
use crate::domain::timestamp::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many lanes all intervals of a host have together: as many as there can be calls, so that no lane of a lower
/// priority waits for a sandbox before one of a higher.
const LANES_MAX: u32 = MAX_PARALLEL_MAX;

/// A rate is not asked for more often than that; what it could not use meanwhile it makes up for.
const WAIT_MIN: Duration = Duration::from_millis(25);

/// Shared by the executor, which starts lanes, and the recorder, which hands tasks to them.
pub(super) struct Turnstile {
    caps: LaneCaps,
    rates: Mutex<Reservations>,
    unmet: Mutex<Unmet>,
}

/// Whether a lane has the right to begin a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    /// It got the right to its first task when it was started.
    Granted,
    /// It must ask for it.
    ToAsk,
}

/// What a lane that wants another task is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// It may begin one.
    Granted,
    /// Another interval, or another host, has more right to the lane.
    Taken,
    /// The job's rate is used up for now.
    TooSoon,
}

impl Turnstile {
    /// One that gives no job and no workspace more than its cap.
    pub(super) fn new(caps: LaneCaps) -> Self {
        Self { caps, rates: Mutex::default(), unmet: Mutex::default() }
    }

    /// How many lanes of the host are free.
    pub(super) fn room(&self, active: &[Arc<ActiveInterval>]) -> u32 {
        let in_use = active.iter().fold(0u32, |sum, interval| sum.saturating_add(interval.desk().lanes.count()));
        LANES_MAX.saturating_sub(in_use)
    }

    /// What is to be reserved of the rates of jobs before lanes are shared out.
    pub(super) fn to_reserve(&self, active: &[Arc<ActiveInterval>], now: Timestamp) -> Vec<RateAsk> {
        let mut asks: BTreeMap<JobId, RateAsk> = BTreeMap::new();
        for interval in active {
            let Some(rate) = interval.open.work.policy.rate_limit else { continue };
            let (job, (_, startable)) = (interval.open.job, interval.lanes_wanted(now));
            // Intervals of one job may have begun under different rates.
            let ask = asks.entry(job).or_insert(RateAsk { job, rate, wanted: 0 });
            ask.rate = ask.rate.min(rate);
            ask.wanted = ask.wanted.saturating_add(startable);
        }
        let rates = lock(&self.rates);
        let to_reserve = |ask: RateAsk| RateAsk { wanted: rates.to_reserve(ask.job, ask.wanted, now), ..ask };
        asks.into_values().filter(|ask| ask.wanted > 0).map(to_reserve).filter(|ask| ask.wanted > 0).collect()
    }

    /// Takes in what was reserved.
    pub(super) fn reserved(&self, asks: &[RateAsk], grants: &[RateGrant], now: Timestamp) {
        let mut rates = lock(&self.rates);
        asks.iter().zip(grants).for_each(|(ask, grant)| rates.note(ask.job, *grant, now));
    }

    /// Shares out the lanes that are free: how many each interval may start, each with the right to begin a task, and
    /// when one of them may begin a task that its job's rate does not allow yet.
    pub(super) fn share_out(&self, active: &[Arc<ActiveInterval>], now: Timestamp) -> (Vec<u32>, Option<Timestamp>) {
        let mut rates = lock(&self.rates);
        let mut left: BTreeMap<JobId, u32> = BTreeMap::new();
        let mut next_at: Option<Timestamp> = None;
        let mut bids = Vec::with_capacity(active.len());
        for interval in active {
            let (policy, job) = (&interval.open.work.policy, interval.open.job);
            let (lanes, mut wanted) = interval.lanes_wanted(now);
            if policy.rate_limit.is_some() && wanted > 0 {
                let left = left.entry(job).or_insert_with(|| rates.left(job, now));
                if *left < wanted {
                    let at = rates.next_at(job).unwrap_or(now).max(now + WAIT_MIN);
                    next_at = Some(next_at.map_or(at, |next| next.min(at)));
                    wanted = *left;
                }
                *left -= wanted;
            }
            bids.push(Bid { party: Arc::clone(&interval.party), priority: policy.priority, lanes, wanted });
        }
        let in_use = bids.iter().fold(0u32, |sum, bid| sum.saturating_add(bid.lanes));
        let shares = share_out(LANES_MAX.saturating_sub(in_use), self.caps, &bids);
        *lock(&self.unmet) = Unmet::after(self.caps, &bids, &shares);
        for (interval, share) in active.iter().zip(&shares) {
            if interval.open.work.policy.rate_limit.is_some() {
                rates.begin(interval.open.job, *share);
            }
        }
        (shares, next_at)
    }

    /// Asks for the next task of a lane.
    pub(super) fn ask(&self, interval: &ActiveInterval, right: Right, now: Timestamp) -> Pass {
        let policy = &interval.open.work.policy;
        let (lanes, may_go_on) = {
            let desk = interval.desk();
            (desk.lanes.count(), desk.lanes.may_go_on())
        };
        if !may_go_on || lock(&self.unmet).takes(&interval.party, policy.priority, lanes) {
            return Pass::Taken;
        }
        let is_limited = policy.rate_limit.is_some() && right == Right::ToAsk;
        if is_limited && lock(&self.rates).left(interval.open.job, now) == 0 { Pass::TooSoon } else { Pass::Granted }
    }

    /// Notes that a task of an interval begins.
    pub(super) fn note_begun(&self, interval: &ActiveInterval, right: Right) {
        if interval.open.work.policy.rate_limit.is_some() && right == Right::ToAsk {
            lock(&self.rates).begin(interval.open.job, 1);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
