//! The settings of the keys that secrets are encrypted under.

use super::readers::{quoted, take};
use crate::vault::{MasterKey, Vault};
use rustix::process::geteuid;
use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The variables that may hold the keys themselves. They have no flags: everybody on the machine sees those.
const KEY: &str = "LATCHWORK_SECRETS_KEY";
const PREVIOUS_KEY: &str = "LATCHWORK_SECRETS_PREVIOUS_KEY";

/// The same for files with keys.
const KEY_FILE: &str = "LATCHWORK_SECRETS_KEY_FILE";
const PREVIOUS_KEY_FILE: &str = "LATCHWORK_SECRETS_PREVIOUS_KEY_FILE";

/// More than a key takes.
const FILE_BYTES_MAX: u64 = 4 << 10;

/// The permissions that let others than a file's owner and group at it, and those for its group.
const OTHERS: u32 = 0o007;
const GROUP: u32 = 0o070;

/// The files with the keys, as flags, as variables and as keys of the TOML file.
#[derive(Debug, Default, Clone, clap::Args)]
#[command(next_help_heading = "Secrets")]
pub struct SecretSettings {
    /// The file with the key that secrets are encrypted under: 32 bytes in hexadecimal or base64, as `openssl rand -hex
    /// 32` makes them, for nobody else to read; or the key itself in LATCHWORK_SECRETS_KEY, which has no flag [default:
    /// none]
    #[arg(long, env = "LATCHWORK_SECRETS_KEY_FILE", value_name = "FILE", value_parser = secrets_key_file)]
    pub secrets_key_file: Option<PathBuf>,

    /// The file with the key before, which is read with while keys are changed; or that key itself in
    /// LATCHWORK_SECRETS_PREVIOUS_KEY [default: none]
    #[arg(
        long, env = "LATCHWORK_SECRETS_PREVIOUS_KEY_FILE", value_name = "FILE",
        value_parser = secrets_previous_key_file
    )]
    pub secrets_previous_key_file: Option<PathBuf>,
}

/// Why a key cannot be used. Nothing of what was read is in it.
#[derive(Debug, thiserror::Error)]
pub enum SecretKeyError {
    /// The file is not there, or cannot be read.
    #[error("{name}: cannot read {path}: {reason}")]
    Unreadable {
        /// The setting.
        name: &'static str,
        /// The file.
        path: String,
        /// Why.
        reason: io::Error,
    },
    /// Others may know it.
    #[error("{name}: others can read {path} (mode {mode:03o}): run `chmod 600 {path}`, and make a new key if they did")]
    Open {
        /// The setting.
        name: &'static str,
        /// The file.
        path: String,
        /// Its permissions.
        mode: u32,
    },
    /// It is not 32 bytes.
    #[error(
        "{0} takes a key of 32 bytes in hexadecimal or base64, as `openssl rand -hex 32` makes it, and nothing else"
    )]
    NoKey(&'static str),
    /// Which of the two is meant is not said.
    #[error("{0} and {1} are both given: leave one of them out")]
    Both(&'static str, &'static str),
    /// There is nothing to change to.
    #[error("{PREVIOUS_KEY_FILE} is given and {KEY_FILE} is not: name the file of the new key there")]
    PreviousAlone,
    /// There is nothing to change.
    #[error(
        "{KEY_FILE} and {PREVIOUS_KEY_FILE} hold the same key: leave the second out, or make a new one for the first"
    )]
    Same,
}

impl SecretSettings {
    pub(super) fn from_toml(file: &mut toml::Table) -> Result<Self, String> {
        Ok(Self {
            secrets_key_file: take(file, "secrets_key_file", quoted, secrets_key_file)?,
            secrets_previous_key_file: take(file, "secrets_previous_key_file", quoted, secrets_previous_key_file)?,
        })
    }

    /// These settings, and where they are silent those of `file`.
    pub(super) fn or(self, file: Self) -> Self {
        Self {
            secrets_key_file: self.secrets_key_file.or(file.secrets_key_file),
            secrets_previous_key_file: self.secrets_previous_key_file.or(file.secrets_previous_key_file),
        }
    }

    /// Reads the keys, from the files or from the environment.
    pub(super) fn resolve(self) -> Result<Vault, SecretKeyError> {
        let current = key((KEY_FILE, self.secrets_key_file), KEY)?;
        let previous = key((PREVIOUS_KEY_FILE, self.secrets_previous_key_file), PREVIOUS_KEY)?;
        match (current, previous) {
            (None, None) => Ok(Vault::default()),
            (None, Some(_)) => Err(SecretKeyError::PreviousAlone),
            (Some(current), Some(previous)) if current.id() == previous.id() => Err(SecretKeyError::Same),
            (Some(current), previous) => Ok(Vault::new(current, previous)),
        }
    }
}

fn key(
    (file_name, file): (&'static str, Option<PathBuf>),
    name: &'static str,
) -> Result<Option<MasterKey>, SecretKeyError> {
    let (name, text) = match (file, std::env::var_os(name)) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err(SecretKeyError::Both(file_name, name)),
        (Some(path), None) => (file_name, read(file_name, &path)?),
        (None, Some(text)) => (name, Zeroizing::new(OsString::into_string(text).unwrap_or_default())),
    };
    MasterKey::parse(text.trim()).map(Some).ok_or(SecretKeyError::NoKey(name))
}

fn read(name: &'static str, path: &Path) -> Result<Zeroizing<String>, SecretKeyError> {
    let shown = || path.display().to_string();
    let unreadable = |reason| SecretKeyError::Unreadable { name, path: shown(), reason };
    let file = File::open(path).map_err(unreadable)?;
    let known = file.metadata().map_err(unreadable)?;
    if is_open_to_others(&known) {
        return Err(SecretKeyError::Open { name, path: shown(), mode: known.mode() & 0o777 });
    }
    let mut text = Zeroizing::new(String::new());
    match file.take(FILE_BYTES_MAX).read_to_string(&mut text) {
        Ok(_) => Ok(text),
        // Bytes that are no text are no key, and are not shown.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Zeroizing::default()),
        Err(error) => Err(unreadable(error)),
    }
}

/// Whether others than this user may know what is in a file. The group of one that belongs to somebody else may be how it
/// was handed to this user, as systemd and Kubernetes do it.
fn is_open_to_others(file: &Metadata) -> bool {
    let is_own = file.uid() == geteuid().as_raw();
    file.mode() & (if is_own { OTHERS | GROUP } else { OTHERS }) != 0
}

fn secrets_key_file(text: &str) -> Result<PathBuf, String> {
    path(text, KEY_FILE)
}

fn secrets_previous_key_file(text: &str) -> Result<PathBuf, String> {
    path(text, PREVIOUS_KEY_FILE)
}

fn path(text: &str, name: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err(format!("{name} takes the path of a file with a key")) } else { Ok(text.into()) }
}
