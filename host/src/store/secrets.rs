//! The verbs about secrets. The store keeps what is sealed, and can open nothing of it.

use super::Result;
use crate::domain::ids::JobId;
use crate::domain::secret::{KeyId, Sealed, Sealing, SecretId};
use crate::domain::timestamp::Timestamp;
use async_trait::async_trait;
use std::collections::BTreeMap;

/// The secrets of workspaces.
#[async_trait]
pub trait SecretStore: Send + Sync {
    /// Keeps a secret, in the place of what its name stood for before.
    ///
    /// While keys are changed it is kept under the key before, as long as any secret is: see [`Sealing`].
    async fn put_secret(&self, secret: &SecretId, sealing: &Sealing, now: Timestamp) -> Result<SecretPut>;

    /// What there is in a workspace, by name.
    async fn secrets(&self, workspace: &str) -> Result<Vec<SecretRecord>>;

    /// Those of a workspace that have one of these names.
    async fn sealed_secrets(&self, workspace: &str, names: &[&str]) -> Result<BTreeMap<String, Sealed>>;

    /// Removes a secret, unless a job is granted it or has an open interval that is.
    async fn delete_secret(&self, secret: &SecretId) -> Result<SecretDeletion>;

    /// The keys that secrets are under, and how many are under each.
    async fn secret_keys(&self) -> Result<BTreeMap<KeyId, u64>>;

    /// All secrets of all workspaces.
    async fn all_sealed_secrets(&self) -> Result<Vec<(SecretId, Sealed)>>;

    /// Puts secrets under another key, all of them or none.
    ///
    /// False, and nothing is changed, where one of them is not as it was any more, or where afterwards any other one
    /// would be under another key: somebody has stored one meanwhile.
    async fn reseal_secrets(&self, key: &KeyId, resealed: &[Resealed]) -> Result<bool>;
}

/// What is told of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRecord {
    /// Its name.
    pub name: String,
    /// When there was first one of this name.
    pub created_at: Timestamp,
    /// When its value was given.
    pub updated_at: Timestamp,
}

/// What became of a secret that was to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretPut {
    /// It is the first of its name.
    New(SecretRecord),
    /// It has taken the place of another value.
    Replaced(SecretRecord),
}

/// What became of a wish to delete a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretDeletion {
    /// It is gone.
    Deleted,
    /// There was none.
    Unknown,
    /// These jobs are granted it.
    Granted(Vec<(JobId, String)>),
}

/// A secret on its way from one key to another.
#[derive(Debug, Clone)]
pub struct Resealed {
    /// Which.
    pub secret: SecretId,
    /// As it was read.
    pub was: Sealed,
    /// The same value under the other key.
    pub becomes: Sealed,
}
