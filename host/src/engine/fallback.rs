//! What becomes of an interval that cannot go on: it is abandoned, and one that recorded progress is replaced.

use crate::domain::ids::{IntervalId, JobId};
use crate::domain::interval::{Firing, Origin};
use crate::domain::timestamp::Timestamp;
use crate::store::{NewInterval, Store, StoreError};
use tracing::warn;

/// A run of everything from the start, without progress tracking. The store copies what the replaced interval asked for.
pub(super) fn replacement(replaces: IntervalId, job: JobId, now: Timestamp) -> NewInterval {
    let origin = Origin::Fallback { replaces };
    let firing = Firing { interval: IntervalId::generate(), job, origin, scheduled_at: now, fired_at: now };
    NewInterval { firing, is_tracked: false }
}

/// Closes an interval and has it replaced, unless it records no progress.
pub(super) async fn abandon(
    store: &dyn Store,
    interval: IntervalId,
    job: JobId,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    warn!(interval.id = %interval, job.id = %job, "Abandoning interval {interval} of job {job}: {reason}");
    store.abandon(interval, reason, Some(&replacement(interval, job, now)), now).await
}

/// What is wrong with the rows that hold a running interval's stages and segments, if anything is.
pub(super) async fn fault(store: &dyn Store, interval: IntervalId) -> Result<Option<String>, StoreError> {
    let fault = match store.stage_graph(interval).await {
        Ok(graph) => graph.and_then(|graph| graph.check().err()).map(|fault| fault.to_string()),
        Err(damage @ StoreError::Unreadable { .. }) => Some(damage.to_string()),
        Err(error) => return Err(error),
    };
    Ok(fault.map(|fault| format!("its stage graph no longer matches, everything runs again from the start: {fault}")))
}
