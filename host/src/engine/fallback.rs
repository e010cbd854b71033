//! What takes the place of an interval that could not be recovered.

use crate::domain::ids::{IntervalId, JobId};
use crate::domain::interval::{Firing, Origin};
use crate::domain::timestamp::Timestamp;
use crate::store::NewInterval;

/// A run of everything from the start, without progress tracking. The store copies what the replaced interval asked for.
pub(super) fn replacement(replaces: IntervalId, job: JobId, now: Timestamp) -> NewInterval {
    let origin = Origin::Fallback { replaces };
    let firing = Firing { interval: IntervalId::generate(), job, origin, scheduled_at: now, fired_at: now };
    NewInterval { firing, is_tracked: false }
}
