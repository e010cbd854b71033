//! Secrets: how they are named, and what is kept of them.

use std::fmt::{self, Debug, Display, Formatter};

/// The longest value of a secret, in bytes.
pub const VALUE_BYTES_MAX: usize = 64 << 10;

/// Which secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretId {
    /// The workspace that it belongs to.
    pub workspace: String,
    /// Its name there.
    pub name: String,
}

/// Which key a secret is sealed under. Of the key itself it says nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(String);

/// A secret as it is kept: what only a key opens, and which.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The key.
    pub key: KeyId,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A secret that is about to be kept.
#[derive(Debug, Clone)]
pub struct Sealing {
    /// Under the key that hosts write with.
    pub sealed: Sealed,
    /// While keys are changed, the same under the key before. It is what is kept as long as any secret is under that one:
    /// there may be hosts that have not been given the new key yet.
    pub before_rotation: Option<Sealed>,
}

impl SecretId {
    /// What there is to say where there is no such secret.
    pub fn missing(&self) -> String {
        let Self { workspace, name } = self;
        format!("there is no secret {self}: store it with `latchwork secret set {name} --workspace {workspace}`")
    }
}

impl KeyId {
    /// The id that a text writes.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for SecretId {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "`{}` of the workspace `{}`", self.name, self.workspace)
    }
}

impl Display for KeyId {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Debug for Sealed {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.debug_struct("Sealed").field("key", &self.key).finish_non_exhaustive()
    }
}
