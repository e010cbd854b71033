//! What the last interval kept of each file, in the job's keys.
//!
//! A file is kept under `file/` and its path. A path too long for a key is kept under `long/` and its hash, with the path
//! in the value.

use crate::hash::{self, Fingerprint};
use latchwork_sdk::{TaskError, keys};
use serde::{Deserialize, Serialize};

/// What one key of the host holds.
const KEY_BYTES_MAX: usize = 1_024;

const FILE: &str = "file/";
const LONG: &str = "long/";

#[derive(Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    fingerprint: Fingerprint,
    /// The path, where the key does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

/// The paths that the ledger knows.
pub(crate) fn paths() -> Result<Vec<String>, TaskError> {
    let mut paths: Vec<String> = keys::list(FILE)?.iter().map(|key| key[FILE.len()..].to_owned()).collect();
    for key in keys::list(LONG)? {
        paths.extend(entry(&key)?.and_then(|entry| entry.path));
    }
    Ok(paths)
}

/// What the ledger knows of a path.
pub(crate) fn get(path: &str) -> Result<Option<Fingerprint>, TaskError> {
    Ok(entry(&key(path))?.map(|entry| entry.fingerprint))
}

/// Keeps what was found at a path, for the next interval.
pub(crate) fn set(path: &str, fingerprint: Fingerprint) -> Result<(), TaskError> {
    let key = key(path);
    let path = key.starts_with(LONG).then(|| path.to_owned());
    Ok(keys::set(&key, serde_json::to_vec(&Entry { fingerprint, path })?)?)
}

/// Forgets a path.
pub(crate) fn delete(path: &str) -> Result<(), TaskError> {
    Ok(keys::delete(&key(path))?)
}

fn entry(key: &str) -> Result<Option<Entry>, TaskError> {
    let Some(value) = keys::get(key)? else {
        return Ok(None);
    };
    serde_json::from_slice(&value)
        .map(Some)
        .map_err(|error| TaskError::fatal(format!("the ledger's key {key} is unreadable: {error}")))
}

fn key(path: &str) -> String {
    if FILE.len() + path.len() <= KEY_BYTES_MAX {
        format!("{FILE}{path}")
    } else {
        format!("{LONG}{}", hash::sha256(path))
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, KEY_BYTES_MAX, key};
    use crate::hash::Fingerprint;

    #[test]
    fn a_path_is_its_own_key_as_long_as_that_fits() {
        let longest = "p".repeat(KEY_BYTES_MAX - "file/".len());
        assert_eq!(key(&longest), format!("file/{longest}"));
        assert_eq!(key(&format!("{longest}p")).len(), "long/".len() + 64);
    }

    #[test]
    fn a_value_is_the_hash_and_the_length() {
        let fingerprint = Fingerprint { sha256: "00ff".to_owned(), bytes: 7 };
        let json = serde_json::to_string(&Entry { fingerprint, path: None }).unwrap();
        assert_eq!(json, r#"{"sha256":"00ff","bytes":7}"#);
        assert_eq!(serde_json::from_str::<Entry>(&json).unwrap().fingerprint.bytes, 7);
    }
}
