//! Shows each second how far the running intervals are.

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
        let intervals: Vec<_> = self.executor.working_on().iter().map(|held| held.id).collect();
        if !intervals.is_empty() {
            self.executor.store.publish_progress(&intervals).await?;
        }
        Ok(None)
    }
}
