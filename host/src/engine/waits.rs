//! How long is waited for a store that does not answer.

use crate::clock::Clock;
use crate::store::StoreError;
use backon::{BackoffBuilder, ExponentialBuilder};
use std::time::Duration;

const WAIT_MIN: Duration = Duration::from_millis(50);
/// Well within a lease, so that what has run is recorded while it still holds.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// The waits between tries, without end: what must be read or written is tried for as long as it takes.
pub(super) fn waits() -> impl Iterator<Item = Duration> + Send {
    let waits = ExponentialBuilder::default().with_min_delay(WAIT_MIN).with_max_delay(WAIT_MAX).without_max_times();
    waits.build().chain(std::iter::repeat(WAIT_MAX))
}

/// Asks a store until it is not away any more.
pub(super) async fn patiently<T, F>(clock: &dyn Clock, ask: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut waits = waits();
    loop {
        match ask().await {
            Err(error) if error.is_away() => clock.sleep_for(waits.next().unwrap_or(WAIT_MAX)).await,
            answer => return answer,
        }
    }
}
