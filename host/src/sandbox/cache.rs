//! Compiled code on the disk, so that no start of the host compiles what an earlier one has.
//!
//! Whoever could change an entry could run code of their own in the host's process: wasmtime believes what it is given.
//! So each entry is authenticated under a key that this installation made for itself, and what is not as this host has
//! written it is removed. An entry says which component it is of, and which engine runs it.

use super::compiler::CODE_BYTES_MAX;
use crate::domain::digest::Digest;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rustix::fs::OFlags;
use rustix::process::geteuid;
use sha2::Sha256;
use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tempfile::NamedTempFile;
use tracing::{info, warn};

/// What an entry begins with; after it come the engine, the code of authentication, and the code.
const MAGIC: &[u8; 8] = b"lwcode01";
const ENGINE_BYTES: usize = 8;
const MAC_BYTES: usize = 32;

const KEY_BYTES: usize = 32;

/// What all entries take together: 4 GiB. Beyond that the oldest go.
const CACHE_BYTES_MAX: u64 = 4 << 30;

/// No entry that a host has written is larger.
const ENTRY_BYTES_MAX: u64 = (MAGIC.len() + ENGINE_BYTES + MAC_BYTES + CODE_BYTES_MAX) as u64;

/// Names an engine: its version, its settings, and the machine that it compiles for.
pub(super) type EngineId = u64;

/// The directory of entries, and the key.
pub struct CodeCache {
    directory: PathBuf,
    key: [u8; KEY_BYTES],
}

/// The cache cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the cache of compiled plugins cannot be used: {path}: {source}")]
pub struct CacheError {
    path: PathBuf,
    source: io::Error,
}

impl CodeCache {
    /// The cache below a data directory; its key is made at the first start.
    pub fn open(data_dir: &Path) -> Result<Self, CacheError> {
        let directory = data_dir.join("code-cache");
        let error = |path: &Path| {
            let path = path.to_owned();
            move |source| CacheError { path, source }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(error(&directory))?;
        let path = data_dir.join("code-cache.key");
        let key = kept_key(&path).map_or_else(|| new_key(data_dir, &path), Ok).map_err(error(&path))?;
        Ok(Self { directory, key })
    }

    /// The code of a component, if this installation has compiled it for this engine.
    pub(super) fn read(&self, engine: EngineId, component: &Digest) -> Option<Vec<u8>> {
        let path = self.path(component);
        let unsound = match self.read_entry(&path, component) {
            Ok(Some((of, code))) if of == engine => return Some(code),
            Ok(Some(_)) => {
                info!("{} was compiled by another version or for another machine", path.display());
                return None;
            }
            Ok(None) => "it is not as this host has written it".to_owned(),
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) => error.to_string(),
        };
        warn!("{} is discarded and the plugin compiled again: {unsound}", path.display());
        self.forget(component);
        None
    }

    /// Keeps the code of a component. Where that fails, a later start compiles it again, and nothing else is lost.
    pub(super) fn write(&self, engine: EngineId, component: &Digest, code: &[u8]) {
        let written = self.write_entry(engine, component, code).and_then(|()| self.trim(CACHE_BYTES_MAX));
        if let Err(error) = written {
            warn!("{} cannot be written: {error}", self.path(component).display());
        }
    }

    /// Removes the code of a component.
    pub(super) fn forget(&self, component: &Digest) {
        // There may be none.
        let _ = std::fs::remove_file(self.path(component));
    }

    /// The engine and the code of an entry; none where it is not authentic.
    fn read_entry(&self, path: &Path, component: &Digest) -> io::Result<Option<(EngineId, Vec<u8>)>> {
        let mut file = open_plain(path)?;
        if file.metadata()?.len() > ENTRY_BYTES_MAX {
            return Ok(None);
        }
        let (mut magic, mut engine, mut mac) = ([0; MAGIC.len()], [0; ENGINE_BYTES], [0; MAC_BYTES]);
        file.read_exact(&mut magic)?;
        file.read_exact(&mut engine)?;
        file.read_exact(&mut mac)?;
        // All of it into memory before it is looked at: a mapped file could change after that.
        let mut code = Vec::new();
        file.read_to_end(&mut code)?;
        let engine = EngineId::from_le_bytes(engine);
        let is_authentic = magic == *MAGIC && self.mac(engine, component, &code).verify_slice(&mac).is_ok();
        Ok(is_authentic.then_some((engine, code)))
    }

    fn write_entry(&self, engine: EngineId, component: &Digest, code: &[u8]) -> io::Result<()> {
        // Renamed into place, so that nobody reads a half. A crash that leaves one nevertheless is found by its code of
        // authentication, so the disk is not waited for.
        let mut draft = NamedTempFile::new_in(&self.directory)?;
        draft.write_all(MAGIC)?;
        draft.write_all(&engine.to_le_bytes())?;
        draft.write_all(&self.mac(engine, component, code).finalize().into_bytes())?;
        draft.write_all(code)?;
        draft.persist(self.path(component))?;
        Ok(())
    }

    fn mac(&self, engine: EngineId, component: &Digest, code: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::new_from_slice(&self.key).expect("a key may have any length");
        mac.update(MAGIC);
        mac.update(&engine.to_le_bytes());
        mac.update(component.to_string().as_bytes());
        mac.update(code);
        mac
    }

    fn path(&self, component: &Digest) -> PathBuf {
        self.directory.join(component.to_string())
    }

    /// Removes the oldest entries until all together take no more than so much. Drafts that a crash has left are among
    /// them.
    fn trim(&self, bytes_max: u64) -> io::Result<()> {
        let mut entries: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            let entry = entry?;
            // What is gone by now, another thread has removed.
            let Ok(metadata) = entry.metadata() else { continue };
            entries.push((metadata.modified()?, metadata.len(), entry.path()));
        }
        entries.sort();
        let mut bytes: u64 = entries.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, freed, path) in entries {
            if bytes <= bytes_max {
                break;
            }
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => bytes -= freed,
            }
        }
        Ok(())
    }
}

/// The key that was made before; none where there is none that only this host can know.
fn kept_key(path: &Path) -> Option<[u8; KEY_BYTES]> {
    let unsound = match read_key(path) {
        Ok(Ok(key)) => return Some(key),
        Ok(Err(unsound)) => unsound.to_owned(),
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => error.to_string(),
    };
    warn!("{} is made anew, and plugins are compiled again: {unsound}", path.display());
    // Where it cannot be removed, no new one takes its place, and that is said.
    let _ = std::fs::remove_file(path);
    None
}

/// Reads a key, or tells why it is none.
fn read_key(path: &Path) -> io::Result<Result<[u8; KEY_BYTES], &'static str>> {
    let file = open_plain(path)?;
    if is_open_to_others(&file.metadata()?) {
        return Ok(Err("others can read or write it, or have put it there"));
    }
    let mut key = Vec::new();
    file.take(KEY_BYTES as u64 + 1).read_to_end(&mut key)?;
    Ok(key.try_into().map_err(|_| "it is damaged"))
}

/// Makes a key that only this user can read. Of two hosts that do so at once, one makes it for both.
fn new_key(data_dir: &Path, path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    // Created with the mode 0600, before anything is in it.
    let mut draft = NamedTempFile::new_in(data_dir)?;
    draft.write_all(&key)?;
    draft.as_file().sync_all()?;
    match draft.persist_noclobber(path) {
        Ok(_) => Ok(key),
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => read_key(path)?.map_err(io::Error::other),
        Err(error) => Err(error.error),
    }
}

/// Opens a file that is one: nothing that was put in its place leads elsewhere, or keeps the host waiting.
fn open_plain(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no file")) }
}

/// Whether anybody else may know what a file holds: its mode lets them, it is theirs, or it has another name somewhere.
fn is_open_to_others(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & 0o077 != 0 || metadata.uid() != geteuid().as_raw() || metadata.nlink() != 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;

    const ENGINE: EngineId = 7;

    fn opened() -> (tempfile::TempDir, CodeCache, Digest) {
        let files = tempfile::TempDir::new().unwrap();
        let cache = CodeCache::open(files.path()).unwrap();
        let component = Digest::of(b"a component");
        cache.write(ENGINE, &component, b"its code");
        (files, cache, component)
    }

    #[test]
    fn what_was_written_is_read_also_after_a_restart_with_the_same_key() {
        let (files, cache, component) = opened();
        assert_eq!(cache.read(ENGINE, &component).as_deref(), Some(&b"its code"[..]));
        let again = CodeCache::open(files.path()).unwrap();
        assert_eq!(again.read(ENGINE, &component).as_deref(), Some(&b"its code"[..]));
        let mode = std::fs::metadata(files.path().join("code-cache.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn an_entry_with_any_byte_changed_or_missing_is_discarded() {
        let (_files, cache, component) = opened();
        let path = cache.path(&component);
        let sound = std::fs::read(&path).unwrap();
        for at in 0..sound.len() {
            let mut tampered = sound.clone();
            tampered[at] ^= 1;
            for unsound in [&tampered[..], &sound[..at]] {
                std::fs::write(&path, unsound).unwrap();
                assert_eq!(cache.read(ENGINE, &component), None, "{at}");
                assert!(!path.exists(), "{at}");
            }
        }
        cache.write(ENGINE, &component, b"its code");
        assert!(cache.read(ENGINE, &component).is_some());
    }

    #[test]
    fn an_entry_of_another_component_installation_or_engine_is_not_used() {
        let (_files, cache, component) = opened();
        let other = Digest::of(b"another component");
        std::fs::copy(cache.path(&component), cache.path(&other)).unwrap();
        assert_eq!(cache.read(ENGINE, &other), None);

        let (_foreign_files, foreign, _) = opened();
        std::fs::copy(cache.path(&component), foreign.path(&component)).unwrap();
        assert_eq!(foreign.read(ENGINE, &component), None);

        assert_eq!(cache.read(ENGINE + 1, &component), None);
        assert!(cache.read(ENGINE, &component).is_some(), "it stays until it is replaced");
        cache.write(ENGINE + 1, &component, b"its other code");
        assert_eq!(cache.read(ENGINE + 1, &component).as_deref(), Some(&b"its other code"[..]));
        assert_eq!(cache.read(ENGINE, &component), None);
    }

    #[test]
    fn a_key_that_others_could_have_read_or_that_is_damaged_is_made_anew() {
        for spoil in [
            (|path: &Path| std::fs::set_permissions(path, Permissions::from_mode(0o640)).unwrap()) as fn(&Path),
            |path| std::fs::write(path, [7; KEY_BYTES - 1]).unwrap(),
            |path| std::fs::write(path, [7; KEY_BYTES + 1]).unwrap(),
            |path| std::fs::remove_file(path).unwrap(),
            |path| std::fs::hard_link(path, path.with_extension("another")).unwrap(),
            |path| {
                std::fs::rename(path, path.with_extension("another")).unwrap();
                std::os::unix::fs::symlink(path.with_extension("another"), path).unwrap();
            },
        ] {
            let (files, cache, component) = opened();
            spoil(&files.path().join("code-cache.key"));
            let again = CodeCache::open(files.path()).unwrap();
            assert_ne!(again.key, cache.key);
            assert_eq!(again.read(ENGINE, &component), None);
        }
    }

    #[test]
    fn what_is_no_file_or_larger_than_any_entry_is_discarded_without_being_read() {
        let (_files, cache, component) = opened();
        let path = cache.path(&component);
        for put in [
            (|path: &Path| File::create(path).unwrap().set_len(ENTRY_BYTES_MAX + 1).unwrap()) as fn(&Path),
            |path| drop(std::os::unix::net::UnixListener::bind(path).unwrap()),
            |path| std::os::unix::fs::symlink("/dev/zero", path).unwrap(),
        ] {
            cache.forget(&component);
            put(&path);
            assert_eq!(cache.read(ENGINE, &component), None);
            assert!(path.symlink_metadata().is_err(), "it is removed");
        }
    }

    #[test]
    fn two_hosts_that_begin_at_once_have_one_key() {
        let files = tempfile::TempDir::new().unwrap();
        let made: Vec<[u8; KEY_BYTES]> = std::thread::scope(|scope| {
            let open = || CodeCache::open(files.path()).unwrap().key;
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(made.iter().all(|key| *key == made[0]));
    }

    #[test]
    fn the_oldest_entries_go_first() {
        let (_files, cache, oldest) = opened();
        let newest = Digest::of(b"another component");
        cache.write(ENGINE, &newest, b"its code");
        let entry = File::options().write(true).open(cache.path(&oldest)).unwrap();
        entry.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        cache.trim(100).unwrap();
        assert_eq!(cache.read(ENGINE, &oldest), None);
        assert!(cache.read(ENGINE, &newest).is_some());
    }
}
