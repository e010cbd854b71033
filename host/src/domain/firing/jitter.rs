//! By how much a firing is delayed.

use crate::domain::ids::JobId;
use crate::domain::job::NextFiring;
use crate::domain::schedule::Schedule;
use crate::domain::timestamp::Timestamp;
use sha2::{Digest as _, Sha256};
use std::time::Duration;

/// The first firing of a job that is due after an instant.
pub fn next_after(job: JobId, schedule: &Schedule, jitter: Duration, after: Timestamp) -> Option<NextFiring> {
    let scheduled_at = schedule.next_after(after)?;
    Some(NextFiring { scheduled_at, fire_at: fire_at(job, schedule, jitter, scheduled_at) })
}

/// When a firing is fired: the same on every host, and before the next firing is due, so that firings keep their order.
pub(super) fn fire_at(job: JobId, schedule: &Schedule, jitter: Duration, scheduled_at: Timestamp) -> Timestamp {
    if jitter.is_zero() {
        return scheduled_at;
    }
    let following = schedule.next_after(scheduled_at);
    let most = following.map_or(jitter, |following| jitter.min(following.since(scheduled_at)));
    let most_ms = u64::try_from(most.as_millis()).unwrap_or(u64::MAX).max(1);
    scheduled_at + Duration::from_millis(drawn(job, scheduled_at) % most_ms)
}

/// A number that looks random and is not.
fn drawn(job: JobId, scheduled_at: Timestamp) -> u64 {
    let hash = Sha256::digest(format!("{job} {}", scheduled_at.ms()));
    hash.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}
