//! An observer outside of the host.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;
use tempfile::TempDir;

/// A directory in which every call of `misbehave` leaves a file, as soon as it begins.
pub struct Witness(TempDir);

impl Default for Witness {
    fn default() -> Self {
        Self::new()
    }
}

impl Witness {
    /// One that has seen nothing.
    pub fn new() -> Self {
        Self(TempDir::new().expect("a temporary directory"))
    }

    /// The value of `--allow-dir` that a host needs.
    pub fn allowed(&self) -> String {
        format!("{}:rw", self.0.path().display())
    }

    /// What a job must be granted.
    pub fn grants(&self) -> Value {
        json!({ "directories": [{ "path": self.0.path(), "mount": "/witness", "access": "read-write" }] })
    }

    /// The payload of a job whose tasks are seen, then take `ms`.
    pub fn payload(&self, ms: u64) -> Value {
        json!({ "act": "witness", "directory": "/witness", "ms": ms })
    }

    /// How often each index has been called, all intervals together.
    pub fn calls(&self) -> BTreeMap<u32, u32> {
        let mut calls = BTreeMap::new();
        for entry in self.0.path().read_dir().expect("the witness's directory") {
            let name = entry.expect("an entry").file_name().into_string().expect("a plain name");
            let index = name.split('-').next().and_then(|index| index.parse().ok()).expect("INDEX-ATTEMPT-TOKEN");
            *calls.entry(index).or_default() += 1;
        }
        calls
    }

    /// The largest number of an attempt that any call had.
    pub fn last_attempt(&self) -> u32 {
        let attempt = |entry: std::io::Result<std::fs::DirEntry>| {
            let name = entry.expect("an entry").file_name().into_string().expect("a plain name");
            name.split('-').nth(1).and_then(|attempt| attempt.parse().ok()).expect("INDEX-ATTEMPT-TOKEN")
        };
        self.0.path().read_dir().expect("the witness's directory").map(attempt).max().unwrap_or(0)
    }

    /// The index of each call, and when it began in milliseconds since 1970; by the clock of files, which lags by a few.
    pub fn call_times(&self) -> Vec<(u32, i64)> {
        let call = |entry: std::io::Result<std::fs::DirEntry>| {
            let entry = entry.expect("an entry");
            let name = entry.file_name().into_string().expect("a plain name");
            let index = name.split('-').next().and_then(|index| index.parse().ok()).expect("INDEX-ATTEMPT-TOKEN");
            let made = entry.metadata().and_then(|file| file.modified()).expect("the file's time");
            let since = made.duration_since(UNIX_EPOCH).expect("a time after 1970");
            (index, i64::try_from(since.as_millis()).expect("a time of this age"))
        };
        self.0.path().read_dir().expect("the witness's directory").map(call).collect()
    }

    /// How many calls there were.
    pub fn call_count(&self) -> u64 {
        self.calls().values().copied().map(u64::from).sum()
    }

    /// Forgets all calls.
    pub fn forget(&self) {
        for entry in self.0.path().read_dir().expect("the witness's directory") {
            std::fs::remove_file(entry.expect("an entry").path()).expect("the file goes");
        }
    }
}
