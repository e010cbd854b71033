//! The shape that all loops of the engine share.

use crate::clock::Clock;
use crate::domain::timestamp::Timestamp;
use crate::store::StoreError;
use crate::wakeup::Wakeup;
use async_trait::async_trait;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How long a loop waits after the store has failed it.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A bounded piece of work, done again and again.
#[async_trait]
pub trait Tick: Send + Sync {
    /// What the loop is called in logs.
    const NAME: &'static str;

    /// Does what is due at `now`, a bounded batch of it, and answers when there is something to do again, if that is
    /// known to be sooner than the loop's own span.
    async fn tick(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError>;
}

/// Ticks until `stop`. A store that fails is asked again a little later; nothing is lost by that.
pub(super) async fn run<T: Tick>(
    work: &T,
    every: Duration,
    clock: &dyn Clock,
    wakeup: &Wakeup,
    stop: &CancellationToken,
) {
    while !stop.is_cancelled() {
        let now = clock.now();
        let (next, has_failed) = match work.tick(now).await {
            Ok(next) => (next.unwrap_or(now + every).min(now + every), false),
            Err(error) => {
                if !error.is_away() {
                    warn!(error = &error as &dyn std::error::Error, "The {} cannot use the database just now", T::NAME);
                }
                (now + RETRY_AFTER, true)
            }
        };
        // Counted anew, and bounded: the clock may have been set right meanwhile.
        let rest = next.since(clock.now()).min(every.max(RETRY_AFTER));
        // Always in one order: the same events lead to the same run.
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            // Nothing that happens makes a store answer sooner.
            () = wakeup.nudged(), if !has_failed => {}
            () = clock.sleep_for(rest) => {}
        }
    }
}

#[async_trait]
impl<T: Tick> Tick for std::sync::Arc<T> {
    const NAME: &'static str = T::NAME;

    async fn tick(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        T::tick(self, now).await
    }
}
