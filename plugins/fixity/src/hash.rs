//! What a file's content comes to.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read},
    path::Path,
};

/// How much of a file is in memory at a time; on the heap, because a plugin's stack is small.
const BUFFER_BYTES: usize = 64 * 1024;

/// A file's content, by its hash and its length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint {
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
}

/// Reads a regular file to its end; nothing where there is no such file.
pub(crate) fn fingerprint(path: &Path) -> io::Result<Option<Fingerprint>> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => stream(File::open(path)?).map(Some),
        Ok(_) => Ok(None),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

fn stream(mut content: impl Read) -> io::Result<Fingerprint> {
    let mut hash = Sha256::new();
    let mut bytes = 0;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match content.read(&mut buffer) {
            Ok(0) => return Ok(Fingerprint { sha256: hex::encode(hash.finalize()), bytes }),
            Ok(read) => {
                hash.update(&buffer[..read]);
                bytes += read as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The SHA-256 of a text, in hex.
pub(crate) fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use super::{BUFFER_BYTES, fingerprint, sha256};
    use std::fs;

    #[test]
    fn a_file_longer_than_the_buffer_is_hashed_whole() {
        let tree = tempfile::tempdir().unwrap();
        let path = tree.path().join("file");
        let text = "latch".repeat(BUFFER_BYTES);
        fs::write(&path, &text).unwrap();
        let found = fingerprint(&path).unwrap().unwrap();
        assert_eq!((found.sha256, found.bytes), (sha256(&text), text.len() as u64));
    }

    #[test]
    fn the_hash_is_sha256() {
        assert_eq!(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn what_is_not_a_regular_file_counts_as_no_file() {
        let tree = tempfile::tempdir().unwrap();
        fs::write(tree.path().join("file"), "").unwrap();
        assert_eq!(fingerprint(tree.path()).unwrap(), None);
        assert_eq!(fingerprint(&tree.path().join("nowhere")).unwrap(), None);
        assert_eq!(fingerprint(&tree.path().join("file/below")).unwrap(), None);
    }
}
