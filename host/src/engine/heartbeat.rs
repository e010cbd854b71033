//! Keeps this incarnation's lease alive, and its clock by the database's.

use super::tick::Tick;
use super::trust::SharedTrust;
use crate::clock::Clock;
use crate::domain::comparison::Comparison;
use crate::domain::ids::IncarnationId;
use crate::domain::lease::CORRECTION_TOLERATED;
use crate::domain::timestamp::Timestamp;
use crate::status::HostStatus;
use crate::store::{Store, StoreError};
use async_trait::async_trait;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

/// How often the clocks are compared before anything is done by the time: the first question may have to connect first.
const COMPARISONS: u32 = 3;

/// Renews the lease, and stops the host where another has taken over, or where it was asked to leave.
pub struct Heartbeat {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) owner: IncarnationId,
    pub(super) trust: Arc<SharedTrust>,
    pub(super) status: Arc<HostStatus>,
    pub(super) dethroned: CancellationToken,
    pub(super) drain: CancellationToken,
}

#[async_trait]
impl Tick for Heartbeat {
    const NAME: &'static str = "heartbeat";

    async fn tick(&self, _now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let asked_at = self.clock.reading();
        let renewal = match self.store.renew_incarnation(self.owner, asked_at.now).await {
            Err(StoreError::LeaseLost(_)) => {
                error!("Another host has taken over the work of this one: it stops");
                self.dethroned.cancel();
                return Ok(None);
            }
            renewed => renewed?,
        };
        if renewal.is_draining && !self.drain.is_cancelled() {
            info!("This host was asked to finish and leave");
            self.drain.cancel();
        }
        if let Some(theirs) = renewal.database_now {
            let comparison = Comparison { asked_at, answered_at: self.clock.reading(), theirs };
            if self.clock.correct(&comparison) > CORRECTION_TOLERATED {
                // The lease that was asked for was counted from a wrong instant.
                return Ok(Some(self.clock.now()));
            }
        }
        self.trust.renew(asked_at);
        self.status.note_renewal(asked_at);
        Ok(None)
    }
}

/// Sets the clock by the database's, where that has one.
pub(super) async fn set_clock(store: &dyn Store, clock: &dyn Clock) -> Result<(), StoreError> {
    for _ in 0..COMPARISONS {
        let asked_at = clock.reading();
        let Some(theirs) = store.database_now().await? else { return Ok(()) };
        clock.correct(&Comparison { asked_at, answered_at: clock.reading(), theirs });
    }
    Ok(())
}
