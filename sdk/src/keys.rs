//! The job's own keys: bytes that one task leaves for another, in this interval or a later one.
//!
//! A task sees its own writes at once; others see them when the task has succeeded and is recorded.

use crate::HostError;
use crate::bindings::latchwork::plugin::keys;

/// How many keys [`list`] asks for at a time.
const PAGE: u32 = 1_000;

/// The value of a key, if it has one.
pub fn get(key: &str) -> Result<Option<Vec<u8>>, HostError> {
    Ok(keys::get(key)?)
}

/// Gives a key a value: 1 to 1,024 bytes of key, at most 1 MiB of value.
pub fn set(key: &str, value: impl AsRef<[u8]>) -> Result<(), HostError> {
    Ok(keys::set(key, value.as_ref())?)
}

/// Removes a key; one that does not exist is no error.
pub fn delete(key: &str) -> Result<(), HostError> {
    Ok(keys::delete(key)?)
}

/// All keys that begin with `prefix`, in the order of their bytes.
pub fn list(prefix: &str) -> Result<Vec<String>, HostError> {
    let mut found: Vec<String> = Vec::new();
    loop {
        let page = keys::list(prefix, found.last().map(String::as_str), PAGE)?;
        let last = page.len() < PAGE as usize;
        found.extend(page);
        if last {
            return Ok(found);
        }
    }
}
