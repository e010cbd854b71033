//! Progress inside one long task.
//!
//! The contract has it, but this version of the host does not offer it yet: [`save`] answers
//! [`HostError::Unsupported`].

use crate::HostError;
use crate::bindings::latchwork::plugin::checkpoint;

/// Keeps bytes for the next attempt at this task, which finds them in [`Task::checkpoint`](crate::Task::checkpoint).
///
/// Durable on return: it does not wait for the task's completion. A later call replaces an earlier one.
pub fn save(bytes: impl AsRef<[u8]>) -> Result<(), HostError> {
    Ok(checkpoint::save(bytes.as_ref())?)
}
