//! What the host does for one attempt at a task while it runs.

use super::active::ActiveInterval;
use super::waits::patiently;
use crate::domain::worklist::Start;
use crate::sandbox::{Denied, TaskSide};
use crate::store::CheckpointSave;
use async_trait::async_trait;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) struct AttemptSide {
    interval: Arc<ActiveInterval>,
    start: Start,
    may_have_checkpoint: AtomicBool,
}

impl AttemptSide {
    pub(super) fn new(interval: Arc<ActiveInterval>, start: Start) -> Self {
        Self { interval, start, may_have_checkpoint: AtomicBool::new(start.may_have_checkpoint) }
    }

    /// Whether this attempt or one before it may have saved a checkpoint.
    pub(super) fn may_have_checkpoint(&self) -> bool {
        self.may_have_checkpoint.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl TaskSide for AttemptSide {
    async fn save_checkpoint(&self, bytes: Vec<u8>) -> Result<(), Denied> {
        // Before it is kept: it may be, even if this call is dropped meanwhile.
        self.may_have_checkpoint.store(true, Ordering::Relaxed);
        let Start { segment, index, .. } = self.start;
        self.interval.checkpoints.save(CheckpointSave { interval: self.interval.open.id, segment, index, bytes }).await
    }

    async fn output(&self, stage: &str, stage_index: u32) -> Result<Option<Vec<u8>>, Denied> {
        let readable = self.interval.order.readable(self.start.stage, stage, stage_index);
        let index = readable.map_err(|refusal| Denied::Invalid(refusal.to_string()))?;
        // As for keys: that the store was away must not cost the task an attempt.
        let Self { interval, .. } = self;
        let output = patiently(&*interval.clock, || interval.store.output(interval.open.id, index)).await;
        output.map_err(|error| Denied::Unavailable(format!("the output cannot be read just now: {error}")))
    }
}
