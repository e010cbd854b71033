//! What the running host tells about itself.

use crate::domain::ids::IncarnationId;
use crate::domain::lease::{Reading, Trust};
use crate::domain::timestamp::Timestamp;
use std::sync::{Mutex, PoisonError};

/// The identity of this process and what its loops last did.
#[derive(Debug)]
pub struct HostStatus {
    /// The host.
    pub host_id: String,
    /// This start of it.
    pub incarnation: IncarnationId,
    recovery_checked_at: Mutex<Option<Timestamp>>,
    trust: Mutex<Option<Trust>>,
}

impl HostStatus {
    /// A host that has just started.
    pub fn new(host_id: String, incarnation: IncarnationId) -> Self {
        Self { host_id, incarnation, recovery_checked_at: Mutex::default(), trust: Mutex::default() }
    }

    /// When recovery last looked for interrupted intervals.
    pub fn recovery_checked_at(&self) -> Option<Timestamp> {
        *self.recovery_checked_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that recovery has looked.
    pub fn note_recovery_check(&self, at: Timestamp) {
        *self.recovery_checked_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }

    /// Notes that the lease was renewed, asked for at this reading of the clocks.
    pub fn note_renewal(&self, asked_at: Reading) {
        *self.trust.lock().unwrap_or_else(PoisonError::into_inner) = Some(Trust::begun(asked_at));
    }

    /// This incarnation's trust in its own lease; none before it was renewed for the first time.
    pub fn trust(&self) -> Option<Trust> {
        *self.trust.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
