//! What tasks of earlier stages returned.
//!
//! The contract has it, but this version of the host does not offer it yet: [`get`] answers
//! [`HostError::Unsupported`].

use crate::HostError;
use crate::bindings::latchwork::plugin::outputs;

/// What the task `stage_index` of a stage that this one waited for returned, if it succeeded.
///
/// The bytes are the output as the host keeps it: JSON, where that task used this SDK.
pub fn get(stage: &str, stage_index: u32) -> Result<Option<Vec<u8>>, HostError> {
    Ok(outputs::get(stage, stage_index)?)
}
