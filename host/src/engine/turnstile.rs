//! Decides whether a lane may begin another task: the intervals' shares of the host's lanes, and the jobs' rates.

use super::active::ActiveInterval;
use crate::domain::job::MAX_PARALLEL_MAX;
use crate::domain::lanes::{Bid, Unmet, share_out};
use crate::domain::rate::Rates;
use crate::domain::timestamp::Timestamp;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many lanes all intervals of a host have together: as many as there can be calls, so that no lane of a lower
/// priority waits for a sandbox before one of a higher.
const LANES_MAX: u32 = MAX_PARALLEL_MAX;

/// A fast rate's next task is not waited for more often than that; what it could not use meanwhile it makes up for.
const WAIT_MIN: Duration = Duration::from_millis(10);

/// Shared by the executor, which starts lanes, and the recorder, which hands tasks to them.
#[derive(Default)]
pub(super) struct Turnstile {
    rates: Mutex<Rates>,
    unmet: Mutex<Unmet>,
}

/// What a lane that wants another task is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// It may begin one.
    Granted,
    /// Another interval has more right to the lane.
    Taken,
    /// The job's rate is used up for now.
    TooSoon,
}

impl Turnstile {
    /// Shares out the lanes that are free: how many each interval may start, and when one of them may begin a task that
    /// its job's rate does not allow yet.
    pub(super) fn share_out(&self, active: &[Arc<ActiveInterval>], now: Timestamp) -> (Vec<u32>, Option<Timestamp>) {
        let rates = lock(&self.rates);
        let mut next_at: Option<Timestamp> = None;
        let mut bids = Vec::with_capacity(active.len());
        for interval in active {
            let policy = &interval.open.work.policy;
            let (lanes, mut wanted) = interval.lanes_wanted(now);
            if let Some(rate) = policy.rate_limit
                && wanted > 0
            {
                let allowed = rates.allowance(interval.open.job, rate, now);
                if allowed < wanted {
                    let at = rates.next_at(interval.open.job, rate, allowed, now).max(now + WAIT_MIN);
                    next_at = Some(next_at.map_or(at, |next| next.min(at)));
                    wanted = allowed;
                }
            }
            bids.push(Bid { priority: policy.priority, lanes, wanted });
        }
        let in_use = bids.iter().fold(0u32, |sum, bid| sum.saturating_add(bid.lanes));
        let shares = share_out(LANES_MAX.saturating_sub(in_use), &bids);
        *lock(&self.unmet) = Unmet::after(&bids, &shares);
        (shares, next_at)
    }

    /// Asks for a lane of an interval that has `lanes` of them and another task to begin.
    pub(super) fn ask(&self, interval: &ActiveInterval, lanes: u32, now: Timestamp) -> Pass {
        let policy = &interval.open.work.policy;
        if lock(&self.unmet).takes(policy.priority, lanes) {
            return Pass::Taken;
        }
        match policy.rate_limit {
            Some(rate) if lock(&self.rates).allowance(interval.open.job, rate, now) == 0 => Pass::TooSoon,
            _ => Pass::Granted,
        }
    }

    /// Notes that a task of an interval begins.
    pub(super) fn note_begun(&self, interval: &ActiveInterval, now: Timestamp) {
        if let Some(rate) = interval.open.work.policy.rate_limit {
            lock(&self.rates).begin(interval.open.job, rate, now);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
