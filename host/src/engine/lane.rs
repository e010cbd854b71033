//! One of an interval's `max_parallel` lanes: runs a task, has it recorded, gets the next.

use super::active::ActiveInterval;
use super::attempt_side::AttemptSide;
use super::recorder::{Attempt, Exchange};
use crate::sandbox::{TaskSide, WarmCell};
use std::sync::Arc;

/// Runs until the recorder has no next task for it.
///
/// It begins a task only after the commit that names the task has reached the disk, and the same commit has recorded
/// the task before: that is what makes the tasks in flight at a crash known.
pub(super) async fn run(interval: Arc<ActiveInterval>, recorder: Exchange) {
    let mut ended = None;
    let mut warm = WarmCell::for_calls(interval.open.work.policy.warm_calls);
    while let Some(start) = recorder.exchange(&interval, ended.take()).await {
        let checkpoint = interval.checkpoint(start).await;
        // Last, as the commit and that look may both have taken their time.
        if !recorder.may_begin().await {
            return;
        }
        let side = Arc::new(AttemptSide::new(Arc::clone(&interval), start));
        let report = interval.call(start, checkpoint, Arc::clone(&side) as Arc<dyn TaskSide>, &mut warm).await;
        ended = Some(Attempt { start, report, may_have_checkpoint: side.may_have_checkpoint() });
    }
}
