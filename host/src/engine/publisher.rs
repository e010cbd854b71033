//! Shows each second how far the running intervals are, and notices those that a person has ended.

use super::executor::Executor;
use super::tick::Tick;
use crate::domain::timestamp::Timestamp;
use crate::store::StoreError;
use async_trait::async_trait;
use std::sync::Arc;

/// Keeps `jobs.interval_progress` current to the second.
pub struct Publisher {
    pub(super) executor: Arc<Executor>,
}

#[async_trait]
impl Tick for Publisher {
    const NAME: &'static str = "publisher";

    async fn tick(&self, _now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let intervals = self.executor.working_on();
        if intervals.is_empty() {
            return Ok(None);
        }
        let store = &self.executor.store;
        for ended in store.ended_among(&intervals).await? {
            self.executor.abandon(ended);
        }
        store.publish_progress(&intervals).await?;
        Ok(None)
    }
}
