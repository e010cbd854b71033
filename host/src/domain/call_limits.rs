//! How far one call of a plugin may go, beside its memory and its time.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Each is decided by the job, and bounded by the host. Rows that say nothing of a member have its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallLimits {
    /// How long the call may compute. What it waits for costs none of it.
    pub cpu_max: Duration,
    /// The longest output of a task, in bytes.
    pub output_bytes_max: u64,
    /// What is kept of a task's log, in bytes; what it writes beyond that is dropped, and said to be.
    pub log_bytes_max: u64,
    /// The largest checkpoint, in bytes.
    pub checkpoint_bytes_max: u64,
    /// How many handles the call may hold at a time: files, streams, requests.
    pub handles_max: u32,
    /// How many random bytes the call may have in one piece.
    pub random_bytes_max: u64,
    /// The largest body of a request or a response, in bytes.
    pub http_body_bytes_max: u64,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            cpu_max: Duration::from_mins(1),
            output_bytes_max: 1 << 20,
            log_bytes_max: 256 << 10,
            checkpoint_bytes_max: 1 << 20,
            handles_max: 512,
            random_bytes_max: 1 << 20,
            http_body_bytes_max: 16 << 20,
        }
    }
}
