//! Carries hints between this host and the others on its database. Nothing depends on it but how soon they look.

use crate::clock::Clock;
use crate::domain::hint::Hint;
use crate::store::Store;
use crate::wakeup::Wakeups;
use backon::{BackoffBuilder as _, ExponentialBuilder};
use std::sync::Arc;
use std::time::Duration;
use tracing::debug;

/// How long hints gather before they are told, beside the time that telling takes: each wakes all other hosts.
const GATHER_FOR: Duration = Duration::from_millis(20);

/// The first of the waits before listening is tried again, which double.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// The longest of them.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(10);

/// Tells and listens.
pub struct Herald {
    /// What other hosts are reached by.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What there is to tell, and who is to hear.
    pub wakeups: Wakeups,
}

impl Herald {
    /// Tells other hosts and listens to them, without end.
    pub async fn run(self) {
        tokio::join!(self.tell(), self.listen());
    }

    async fn tell(&self) {
        loop {
            let hints = self.wakeups.to_tell().await;
            if let Err(error) = self.store.hint(&hints).await {
                // They find out by themselves.
                debug!(error = &error as &dyn std::error::Error, "Other hosts cannot be told just now");
            }
            self.clock.sleep_for(GATHER_FOR).await;
        }
    }

    async fn listen(&self) {
        let waits = || {
            let waits = ExponentialBuilder::default().with_min_delay(RETRY_AFTER).with_max_delay(RETRY_AFTER_MAX);
            waits.without_max_times().with_jitter().build()
        };
        let mut next = waits();
        loop {
            match self.store.hinted().await {
                Ok(hints) => {
                    next = waits();
                    hints.into_iter().for_each(|hint: Hint| self.wakeups.heard(hint));
                }
                Err(error) => {
                    debug!(error = &error as &dyn std::error::Error, "Other hosts cannot be heard just now");
                    self.clock.sleep_for(next.next().unwrap_or(RETRY_AFTER_MAX)).await;
                }
            }
        }
    }
}
