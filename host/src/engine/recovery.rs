//! Takes up intervals whose incarnation died.

use super::fallback::{self, replacement};
use super::tick::Tick;
use super::trust::SharedTrust;
use crate::domain::ids::{IntervalId, JobId};
use crate::domain::recovery::{Casualty, Remedy, remedy};
use crate::domain::timestamp::Timestamp;
use crate::recovery_settings::RecoverySettings;
use crate::status::HostStatus;
use crate::store::{InterruptedInterval, Resumed, Store, StoreError, Takeover};
use crate::wakeup::Wakeup;
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use tracing::{error, info, warn};

/// A lease that runs out at an instant has run out after it.
const AFTER_EXPIRY: Duration = Duration::from_millis(1);

/// Finds and resumes interrupted intervals.
pub struct Recovery {
    store: Arc<dyn Store>,
    settings: RecoverySettings,
    status: Arc<HostStatus>,
    trust: Arc<SharedTrust>,
    executor: Wakeup,
}

#[async_trait]
impl Tick for Recovery {
    const NAME: &'static str = "recovery";

    async fn tick(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        // A host that slept, or waited for its disk, takes nobody for dead by a lease, least of all itself. Renewing its own
        // is the heartbeat's alone: of two that ask at once, the earlier one could be carried out last and shorten it.
        self.recover_all(now).await?;
        if let Some(judges_at) = self.trust.judges_at() {
            return Ok(Some(judges_at));
        }
        // However seldom it looks, a dead host is not left for longer than its lease.
        let expiry = self.store.next_expiry(self.status.incarnation, now).await?;
        Ok(expiry.map(|at| at + AFTER_EXPIRY))
    }
}

impl Recovery {
    /// A recovery on behalf of the host of `status`.
    pub fn new(
        store: Arc<dyn Store>,
        settings: RecoverySettings,
        status: Arc<HostStatus>,
        trust: Arc<SharedTrust>,
        executor: Wakeup,
    ) -> Self {
        Self { store, settings, status, trust, executor }
    }

    /// The check at the start, which also tells what was left open by a host that stopped by itself.
    pub(super) async fn check_at_start(&self, now: Timestamp) -> Result<(), StoreError> {
        info!("Starting recovery check on startup");
        let incomplete = self.store.incomplete_jobs().await?;
        info!("Found {} jobs with incomplete intervals", incomplete.len());
        let interrupted = self.store.interrupted_intervals(self.expired_before(now).await?).await?;
        for job in incomplete {
            if !interrupted.iter().any(|interrupted| interrupted.id == job.interval) {
                announce(job.interval, job.job, job.completed);
            }
        }
        self.recover_all(now).await
    }

    /// Leases that ran out before this instant are those of the dead, as far as this host can tell, and as one that ran out
    /// while the database was away says nothing of its host.
    async fn expired_before(&self, now: Timestamp) -> Result<Timestamp, StoreError> {
        Ok(self.trust.expired_before().min(self.store.presence().await?.leases_judged_at(now)))
    }

    async fn recover_all(&self, now: Timestamp) -> Result<(), StoreError> {
        let expired_before = self.expired_before(now).await?;
        for interval in self.store.interrupted_intervals(expired_before).await? {
            let id = interval.id;
            match self.recover(interval, expired_before, now).await {
                // One damaged row keeps nobody from the rest.
                Err(damage @ StoreError::Unreadable { .. }) => {
                    error!(interval.id = %id, "Interval {id} can be neither recovered nor abandoned: {damage}");
                }
                recovered => recovered?,
            }
            self.executor.nudge_everywhere();
        }
        for (interval, job) in self.store.stalled_intervals().await? {
            let fault = fallback::fault(&*self.store, interval).await?;
            let fault = fault.unwrap_or_else(|| {
                "none of its segments can run, and yet it has not ended; everything runs again from the start"
                    .to_owned()
            });
            self.abandon(interval, job, &fault, true, now).await?;
            self.executor.nudge_everywhere();
        }
        self.status.note_recovery_check(now);
        Ok(())
    }

    async fn recover(
        &self,
        interval: InterruptedInterval,
        expired_before: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let InterruptedInterval { id, job, casualty, completed } = interval;
        let is_recoverable = casualty.is_recoverable && self.settings.is_enabled;
        match remedy(Casualty { is_recoverable, ..casualty }, self.settings.attempts_max) {
            Remedy::Resume { fruitless } => {
                if let Some(fault) = fallback::fault(&*self.store, id).await? {
                    return self.abandon(id, job, &fault, true, now).await;
                }
                let takeover = Takeover { fruitless, attempts_max: self.settings.attempts_max, expired_before };
                match self.store.resume(id, takeover, now).await {
                    Ok(resumed) => {
                        announce(id, job, completed);
                        tell(id, &resumed);
                        Ok(())
                    }
                    Err(error @ StoreError::Unreadable { .. }) => {
                        let reason = format!("its progress is lost, everything runs again from the start: {error}");
                        self.abandon(id, job, &reason, true, now).await
                    }
                    Err(error) => Err(error),
                }
            }
            Remedy::Abandon { reason, is_replaced } => self.abandon(id, job, &reason, is_replaced, now).await,
        }
    }

    async fn abandon(
        &self,
        interval: IntervalId,
        job: JobId,
        reason: &str,
        is_replaced: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        warn!(interval.id = %interval, job.id = %job, "Abandoning interval {interval} of job {job}: {reason}");
        let replacement = is_replaced.then(|| replacement(interval, job, now));
        self.store.abandon(interval, reason, replacement.as_ref(), now).await
    }
}

fn announce(interval: IntervalId, job: JobId, completed: u64) {
    info!(interval.id = %interval, job.id = %job, "Scheduled recovery for job {job}, interval {interval}");
    info!(interval.id = %interval, completed, "Skipping {completed} completed tasks");
}

fn tell(interval: IntervalId, resumed: &Resumed) {
    let duplicates = resumed.duplicates;
    info!(interval.id = %interval, duplicates, "{duplicates} tasks of interval {interval} were in flight and run again");
    for index in &resumed.poisoned {
        warn!(interval.id = %interval, index = index.0, "Task {index} of interval {interval} is failed as a poison task");
    }
    if let Some(state) = resumed.ended {
        warn!(interval.id = %interval, "Interval {interval} {state}");
    }
}
