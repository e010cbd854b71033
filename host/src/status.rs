//! What the running host tells about itself.

use crate::domain::ids::IncarnationId;
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
}

impl HostStatus {
    /// A host that has just started.
    pub fn new(host_id: String, incarnation: IncarnationId) -> Self {
        Self { host_id, incarnation, recovery_checked_at: Mutex::default() }
    }

    /// When recovery last looked for interrupted intervals.
    pub fn recovery_checked_at(&self) -> Option<Timestamp> {
        *self.recovery_checked_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that recovery has looked.
    pub fn note_recovery_check(&self, at: Timestamp) {
        *self.recovery_checked_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }
}
