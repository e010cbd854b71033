//! What is wrong with settings.

use super::secrets::SecretKeyError;
use crate::domain::host::Roles;

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there or is no TOML.
    #[error("LATCHWORK_CONFIG takes a TOML file: {path}: {reason}")]
    File {
        /// Which file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A key of the file that is unknown, or has a value that it does not take.
    #[error("{path} (LATCHWORK_CONFIG): {reason}")]
    Key {
        /// Which file.
        path: String,
        /// Which key, and what it takes.
        reason: String,
    },
    /// Roles that leave work to others, of whom there can be none.
    #[error(
        "LATCHWORK_ROLES is `{0}`: on SQLite there is one host, which must take on api, scheduler and worker; leave it \
         out, or name a PostgreSQL with DATABASE_URL"
    )]
    LoneHost(Roles),
    /// A key for secrets that cannot be used.
    #[error(transparent)]
    SecretKey(#[from] SecretKeyError),
    /// A log filter that cannot be read, or a database that this version does not serve.
    #[error("{name} is `{value}`: it takes {expected}")]
    Value {
        /// The variable's name.
        name: &'static str,
        /// What it was.
        value: String,
        /// What it takes.
        expected: &'static str,
    },
}
