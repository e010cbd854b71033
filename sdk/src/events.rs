//! News for whoever watches the interval.
//!
//! The contract has it, but this version of the host does not offer it yet: [`emit`] answers
//! [`HostError::Unsupported`].

use crate::HostError;
use crate::bindings::latchwork::plugin::events;

/// Publishes an event, a name and a JSON text, when the task's completion is recorded.
pub fn emit(name: &str, body: &str) -> Result<(), HostError> {
    Ok(events::emit(name, body)?)
}
