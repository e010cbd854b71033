//! Notices the intervals that ended elsewhere, because a person cancelled them for instance, and lets go of them.

use super::executor::Executor;
use super::tick::Tick;
use crate::domain::timestamp::Timestamp;
use crate::store::StoreError;
use async_trait::async_trait;
use std::sync::Arc;
use tracing::info;

/// Interrupts the running tasks of ended intervals.
pub struct EndedIntervals {
    pub(super) executor: Arc<Executor>,
}

#[async_trait]
impl Tick for EndedIntervals {
    const NAME: &'static str = "watch for ended intervals";

    async fn tick(&self, _now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let held = self.executor.working_on();
        if held.is_empty() {
            return Ok(None);
        }
        for ended in self.executor.store.ended_among(&held).await? {
            info!(interval.id = %ended, "Letting go of interval {ended}, which has ended");
            self.executor.abandon(ended);
        }
        Ok(None)
    }
}
