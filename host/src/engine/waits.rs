//! How long is waited for a store that does not answer.

use backon::{BackoffBuilder, ExponentialBuilder};
use std::time::Duration;

const WAIT_MIN: Duration = Duration::from_millis(50);
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The waits between tries, without end: what must be read or written is tried for as long as it takes.
pub(super) fn waits() -> impl Iterator<Item = Duration> + Send {
    let waits = ExponentialBuilder::default().with_min_delay(WAIT_MIN).with_max_delay(WAIT_MAX).without_max_times();
    waits.build().chain(std::iter::repeat(WAIT_MAX))
}
