//! Keeps this incarnation's lease alive.

use super::tick::Tick;
use super::trust::SharedTrust;
use crate::domain::ids::IncarnationId;
use crate::domain::timestamp::Timestamp;
use crate::status::HostStatus;
use crate::store::{Store, StoreError};
use async_trait::async_trait;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tracing::error;

/// Renews the lease, and stops the host where another has taken over.
pub struct Heartbeat {
    pub(super) store: Arc<dyn Store>,
    pub(super) owner: IncarnationId,
    pub(super) trust: Arc<SharedTrust>,
    pub(super) status: Arc<HostStatus>,
    pub(super) dethroned: CancellationToken,
}

#[async_trait]
impl Tick for Heartbeat {
    const NAME: &'static str = "heartbeat";

    async fn tick(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let asked_at = self.trust.reading();
        match self.store.renew_incarnation(self.owner, now).await {
            Ok(()) => {
                self.trust.renew(asked_at);
                self.status.note_renewal(asked_at);
                Ok(None)
            }
            Err(StoreError::LeaseLost(_)) => {
                error!("Another host has taken over the work of this one: it stops");
                self.dethroned.cancel();
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
