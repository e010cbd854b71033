//! What a job's keys may take.

use super::task::{Failure, FailureKind, KeyWrites};

/// What a job's keys and their values take, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyUsage {
    /// All of them.
    pub total: u64,
    /// Those among them that are about to be written.
    pub replaced: u64,
}

/// Writes that would make a job's keys take more than they may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the job's keys and their values would take {bytes} bytes; they may take {bytes_max} together (key_limit_bytes of \
     the job)"
)]
pub struct OverQuota {
    /// What they would take.
    pub bytes: u64,
    /// What they may take.
    pub bytes_max: u64,
}

impl KeyUsage {
    /// What the keys take when `written` bytes are in the place of what is replaced.
    ///
    /// Writes that free room, or need none, are never refused: a limit that was lowered must not keep a job from
    /// tidying up.
    pub fn after(self, written: u64, bytes_max: u64) -> Result<u64, OverQuota> {
        let bytes = self.total.saturating_sub(self.replaced).saturating_add(written);
        if bytes > bytes_max && written > self.replaced { Err(OverQuota { bytes, bytes_max }) } else { Ok(bytes) }
    }
}

impl From<OverQuota> for Failure {
    fn from(over: OverQuota) -> Self {
        Self { kind: FailureKind::LimitExceeded, message: over.to_string() }
    }
}

/// What one key with its value takes.
pub fn size(key: &str, value: &[u8]) -> u64 {
    (key.len() + value.len()) as u64
}

/// What the values of a call's writes take, with their keys; a removed key takes nothing.
pub fn size_of(writes: &KeyWrites) -> u64 {
    writes.iter().filter_map(|(key, value)| Some(size(key, value.as_ref()?))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_count_in_the_place_of_what_they_replace() {
        let usage = |total, replaced| KeyUsage { total, replaced };
        for (usage, written, expected) in [
            (usage(0, 0), 100, Ok(100)),
            (usage(0, 0), 101, Err(OverQuota { bytes: 101, bytes_max: 100 })),
            (usage(90, 0), 11, Err(OverQuota { bytes: 101, bytes_max: 100 })),
            (usage(90, 1), 11, Ok(100)),
            (usage(200, 10), 10, Ok(200)),
            (usage(200, 10), 11, Err(OverQuota { bytes: 201, bytes_max: 100 })),
            (usage(200, 150), 0, Ok(50)),
        ] {
            assert_eq!(usage.after(written, 100), expected, "{usage:?} {written}");
        }
    }

    #[test]
    fn a_key_counts_beside_its_value_and_a_removed_one_does_not() {
        let writes = KeyWrites::from([("ab".to_owned(), Some(vec![0; 3])), ("gone".to_owned(), None)]);
        assert_eq!(size_of(&writes), 5);
    }
}
