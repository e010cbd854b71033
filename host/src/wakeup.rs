//! A nudge between those who change rows and those who look at them. Polling is the truth; a nudge makes it sooner.

use std::sync::Arc;
use tokio::sync::Notify;

/// Wakes one loop. A nudge that comes while the loop is busy makes it look once more.
#[derive(Debug, Clone, Default)]
pub struct Wakeup(Arc<Notify>);

impl Wakeup {
    /// Wakes the loop now, or when it next waits.
    pub fn nudge(&self) {
        self.0.notify_one();
    }

    /// Returns at the next nudge, at once where one came since the last time.
    pub async fn nudged(&self) {
        self.0.notified().await;
    }
}

/// The loops that others wake.
#[derive(Debug, Clone, Default)]
pub struct Wakeups {
    /// A job's schedule is new or changed.
    pub scheduler: Wakeup,
    /// There is an interval to plan, or segments to claim.
    pub executor: Wakeup,
    /// Intervals were ended that a host may work on.
    pub ended: Wakeup,
    /// There is a backfill to begin.
    pub backfiller: Wakeup,
}
