//! The operator's recovery settings; the engine acts on them, the API shows them.

use std::time::Duration;

/// How interrupted intervals are treated.
#[derive(Debug, Clone, Copy)]
pub struct RecoverySettings {
    /// `ENABLE_RECOVERY`: off means that interrupted intervals are abandoned.
    pub is_enabled: bool,
    /// `DEFAULT_RECOVERY_ENABLED`: for jobs that do not say.
    pub is_default: bool,
    /// `RECOVERY_CHECK_INTERVAL`.
    pub check_every: Duration,
    /// `MAX_RECOVERY_ATTEMPTS`.
    pub attempts_max: u32,
}
