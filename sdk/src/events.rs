//! News for whoever watches the interval.

use crate::bindings::latchwork::plugin::events;
use crate::{HostError, TaskError};
use serde::Serialize;

/// Publishes an event, a name and a JSON text, when the task's completion is recorded; a task that fails publishes
/// nothing.
///
/// A name has 1 to 128 bytes, a body at most 64 KiB; one call emits at most 1,000 events of 1 MiB together.
pub fn emit(name: &str, body: &str) -> Result<(), HostError> {
    Ok(events::emit(name, body)?)
}

/// The same for any value that serde writes as JSON.
pub fn emit_json(name: &str, body: &impl Serialize) -> Result<(), TaskError> {
    let body = serde_json::to_string(body).map_err(|error| {
        TaskError::fatal(format!("the body of the event {name} is not expressible as JSON: {error}"))
    })?;
    Ok(emit(name, &body)?)
}
