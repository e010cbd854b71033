//! What tasks of stages that have succeeded before returned.

use crate::bindings::latchwork::plugin::outputs;
use crate::{HostError, TaskError};
use serde::de::DeserializeOwned;

/// What the task `stage_index` of a stage that this one waited for returned, directly or through other stages; none
/// where it returned nothing.
///
/// The bytes are the output as the host keeps it: JSON, where that task used this SDK.
pub fn get(stage: &str, stage_index: u32) -> Result<Option<Vec<u8>>, HostError> {
    Ok(outputs::get(stage, stage_index)?)
}

/// The same as the value that the other task returned. No output at all is read as `null`, which is what `()` and
/// `None` become.
pub fn get_json<T: DeserializeOwned>(stage: &str, stage_index: u32) -> Result<T, TaskError> {
    let bytes = get(stage, stage_index)?;
    let value = serde_json::from_slice(bytes.as_deref().unwrap_or(b"null"));
    value.map_err(|error| {
        TaskError::fatal(format!("the output of task {stage_index} of stage {stage} is of another type: {error}"))
    })
}

/// The values that the first `tasks` tasks of a stage returned, in their order. They come one by one, so that no more
/// than one is held at a time.
pub fn all_json<T: DeserializeOwned>(stage: &str, tasks: u32) -> impl Iterator<Item = Result<T, TaskError>> {
    (0..tasks).map(move |stage_index| get_json(stage, stage_index))
}
