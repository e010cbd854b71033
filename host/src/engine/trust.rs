//! This incarnation's trust in its own lease, as all parts of the engine share it.

use crate::clock::Clock;
use crate::domain::lease::{Reading, Trust};
use crate::domain::timestamp::Timestamp;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Whether this incarnation may act as the owner of what its rows say it holds.
pub struct SharedTrust {
    clock: Arc<dyn Clock>,
    trust: Mutex<Trust>,
    renewed: Notify,
    dethroned: CancellationToken,
}

impl SharedTrust {
    /// The trust of an incarnation that begins; `dethroned` is cancelled when another has taken over.
    pub fn new(clock: Arc<dyn Clock>, dethroned: CancellationToken) -> Self {
        let trust = Mutex::new(Trust::begun(clock.reading()));
        Self { clock, trust, renewed: Notify::new(), dethroned }
    }

    /// Whether the incarnation may begin something now.
    pub fn holds(&self) -> bool {
        !self.dethroned.is_cancelled() && self.trust().holds(self.clock.reading())
    }

    /// Notes a renewal.
    pub(super) fn renew(&self, asked_at: Reading) {
        let mut trust = self.trust();
        *trust = trust.renewed(asked_at);
        drop(trust);
        self.renewed.notify_waiters();
    }

    /// Leases that ran out before this instant are those of the dead.
    pub(super) fn expired_before(&self) -> Timestamp {
        self.trust().expired_before(self.clock.reading())
    }

    /// When it judges by others' leases again; none where it does.
    pub(super) fn judges_at(&self) -> Option<Timestamp> {
        self.trust().judges_at(self.clock.reading())
    }

    /// Returns true when the trust holds, which is mostly at once, and false where another host has taken over.
    ///
    /// A renewal says that no other host has taken anything until then.
    pub(super) async fn regained(&self) -> bool {
        loop {
            // Before the look: a renewal in between must not be missed.
            let renewed = self.renewed.notified();
            if self.holds() {
                return true;
            }
            tokio::select! {
                biased;
                () = self.dethroned.cancelled() => return false,
                () = renewed => {}
            }
        }
    }

    fn trust(&self) -> MutexGuard<'_, Trust> {
        self.trust.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
