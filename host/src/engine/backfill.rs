//! Fires past instants again, in a lane that yields to live firings.

use super::tick::Tick;
use crate::domain::backfill::{BackfillState, next_instants, step};
use crate::domain::ids::IntervalId;
use crate::domain::interval::{Firing, Origin};
use crate::domain::timestamp::Timestamp;
use crate::store::{BackfillStep, NewInterval, RunningBackfill, Store, StoreError};
use crate::wakeup::Wakeup;
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use tracing::info;

/// How soon a running backfill is looked at again.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(250);

/// Takes running backfills forward, a bounded step each.
pub struct Backfiller {
    store: Arc<dyn Store>,
    is_recovery_enabled: bool,
    executor: Wakeup,
}

impl Backfiller {
    /// One that wakes the executor when it has fired; `is_recovery_enabled` is `ENABLE_RECOVERY`.
    pub fn new(store: Arc<dyn Store>, is_recovery_enabled: bool, executor: Wakeup) -> Self {
        Self { store, is_recovery_enabled, executor }
    }

    async fn advance(&self, running: &RunningBackfill, now: Timestamp) -> Result<(), StoreError> {
        let RunningBackfill { backfill, job, live, open } = running;
        let free = u64::from(backfill.max_parallel).saturating_sub(*open);
        if *live > 0 || free == 0 {
            return Ok(());
        }
        let instants = next_instants(backfill, &job.spec.schedule);
        let history = match (instants.first(), instants.last()) {
            (Some(first), Some(last)) => self.store.firing_history(job.id, *first, *last).await?,
            _ => Default::default(),
        };
        let step = step(backfill, &instants, &history, usize::try_from(free).unwrap_or(usize::MAX));
        if step.fire.is_empty() && step.next_at == backfill.next_at && *open > 0 {
            return Ok(());
        }
        let is_tracked = self.is_recovery_enabled && job.spec.enable_recovery;
        let interval = |scheduled_at: &Timestamp| {
            let origin = Origin::Backfill { backfill: backfill.id };
            let scheduled_at = *scheduled_at;
            let firing = Firing { interval: IntervalId::generate(), job: job.id, origin, scheduled_at, fired_at: now };
            NewInterval { firing, is_tracked }
        };
        let fire: Vec<_> = step.fire.iter().map(interval).collect();
        let fired: Vec<_> = fire.iter().map(|interval| interval.firing).collect();
        let step = BackfillStep { id: backfill.id, was_at: backfill.next_at, next_at: step.next_at, fire };
        if !self.store.advance_backfill(&step, now).await? {
            return Ok(());
        }
        for Firing { interval, scheduled_at, .. } in fired {
            info!(job.id = %job.id, interval.id = %interval, backfill.id = %backfill.id,
                "Backfill {} fired interval {interval} of job {} for {scheduled_at}", backfill.id, job.id);
            self.executor.nudge_everywhere();
        }
        Ok(())
    }
}

#[async_trait]
impl Tick for Backfiller {
    const NAME: &'static str = "backfiller";

    async fn tick(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let running = self.store.running_backfills().await?;
        for one in running.iter().filter(|one| one.backfill.state == BackfillState::Running) {
            self.advance(one, now).await?;
        }
        Ok((!running.is_empty()).then(|| now + LOOK_AGAIN_AFTER))
    }
}
