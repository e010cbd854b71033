//! Progress inside one long task, for its next attempt: after a failure, after a crash of the host, after a stop.

use crate::HostError;
use crate::bindings::latchwork::plugin::checkpoint;

/// Keeps at most the job's `checkpoint_limit_bytes` for the next attempt at this task, which finds it in
/// [`Task::checkpoint`](crate::Task::checkpoint).
///
/// Durable on return: it does not wait for the task's completion, so save when losing the work since the last time would
/// cost more than a commit. A later call replaces an earlier one.
pub fn save(bytes: impl AsRef<[u8]>) -> Result<(), HostError> {
    Ok(checkpoint::save(bytes.as_ref())?)
}
