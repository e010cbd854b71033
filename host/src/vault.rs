//! Seals secrets under the operator's key, and opens them: functions of bytes, but for the nonce.
//!
//! Sealed is `version | nonce (24) | encrypted value and tag (16)`, by XChaCha20-Poly1305. Authenticated with it are the
//! version and the secret's workspace and name, so that a row in another one's place opens nothing. Nonces are random:
//! at 24 bytes none comes twice. Knows nothing of where secrets are kept, nor of where keys come from.

#[cfg(test)]
mod tests;

use crate::domain::secret::{KeyId, Sealed, Sealing, SecretId};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use sha2::{Digest as _, Sha256};
use std::fmt::{self, Debug, Formatter};
use zeroize::Zeroizing;

/// The first byte of what is sealed.
const VERSION: u8 = 1;

const NONCE_BYTES: usize = 24;

const KEY_BYTES: usize = 32;

/// What is hashed before a key for its id, so that no other hash of the key is its id.
const KEY_ID_CONTEXT: &[u8] = b"latchwork secrets key id\0";

/// How much of the hash is the id.
const KEY_ID_BYTES: usize = 8;

/// A key that secrets are sealed under.
pub struct MasterKey {
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    id: KeyId,
}

/// The keys of a host. It hands none of them out.
#[derive(Default)]
pub struct Vault {
    current: Option<MasterKey>,
    /// What it opens beside, while keys are changed.
    previous: Option<MasterKey>,
}

/// There is no key. The message says how to get one.
#[derive(Debug, thiserror::Error)]
#[error(
    "this host has no key for secrets: make one with `openssl rand -hex 32`, and name its file with --secrets-key-file \
     (LATCHWORK_SECRETS_KEY_FILE), or give it as LATCHWORK_SECRETS_KEY"
)]
pub struct NoKey;

/// Why a secret was not sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// There is nothing to seal it with.
    #[error(transparent)]
    NoKey(#[from] NoKey),
    /// The machine gives no random bytes.
    #[error("no random bytes for a nonce: {0}")]
    Random(getrandom::Error),
}

/// Why a secret was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is nothing to open it with.
    #[error(transparent)]
    NoKey(#[from] NoKey),
    /// It is sealed under a key that is not here.
    #[error(
        "it is encrypted under the key {needed}, and this host has {}: give it that one, too, with \
         --secrets-previous-key-file (LATCHWORK_SECRETS_PREVIOUS_KEY_FILE), or store the secret again", names(.held)
    )]
    OtherKey {
        /// The key that it takes.
        needed: KeyId,
        /// Those that are here.
        held: Vec<KeyId>,
    },
    /// It is not what was sealed for this name under this key.
    #[error("what is kept of it is damaged, or belongs to another secret: store it again")]
    Damaged,
}

impl MasterKey {
    /// Reads 32 bytes, written in 64 hexadecimal digits or in base64; none where it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        if hex::decode_to_slice(text, &mut *bytes).is_err() {
            let decoded = Zeroizing::new(STANDARD.decode(text).ok()?);
            *bytes = decoded.as_slice().try_into().ok()?;
        }
        let hash = Sha256::new().chain_update(KEY_ID_CONTEXT).chain_update(*bytes).finalize();
        Some(Self { id: KeyId::new(hex::encode(&hash[..KEY_ID_BYTES])), bytes })
    }

    /// What tells it from other keys, and nothing of it.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.bytes).into())
    }

    fn seal(&self, secret: &SecretId, value: &str) -> Result<Sealed, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(SealError::Random)?;
        let payload = Payload { msg: value.as_bytes(), aad: &bound_to(secret) };
        let encrypted = self.cipher().encrypt(&XNonce::from(nonce), payload);
        let encrypted = encrypted.expect("a value is far shorter than what the cipher takes");
        Ok(Sealed { key: self.id.clone(), bytes: [&[VERSION][..], &nonce, &encrypted].concat() })
    }

    /// None where the bytes are not what [`Self::seal`] made of this secret.
    fn open(&self, secret: &SecretId, bytes: &[u8]) -> Option<Zeroizing<String>> {
        let (nonce, encrypted) = bytes.strip_prefix(&[VERSION])?.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload { msg: encrypted, aad: &bound_to(secret) };
        let value = self.cipher().decrypt(&XNonce::from(*nonce), payload).ok()?;
        // Only texts are sealed, so none that is not one has to be wiped.
        String::from_utf8(value).ok().map(Zeroizing::new)
    }
}

/// What is authenticated with a secret's value: the lengths keep one pair of names from being read as another.
fn bound_to(SecretId { workspace, name }: &SecretId) -> Vec<u8> {
    let mut bound = vec![VERSION];
    for text in [workspace, name] {
        bound.extend((text.len() as u64).to_le_bytes());
        bound.extend(text.as_bytes());
    }
    bound
}

impl Vault {
    /// One that seals under a key, and opens what is sealed under it or under the key before.
    pub fn new(current: MasterKey, previous: Option<MasterKey>) -> Self {
        Self { current: Some(current), previous }
    }

    /// The key that it seals under.
    pub fn key(&self) -> Result<&KeyId, NoKey> {
        self.current.as_ref().map(|key| &key.id).ok_or(NoKey)
    }

    /// The key before, where there is one.
    pub fn previous_key(&self) -> Option<&KeyId> {
        self.previous.as_ref().map(|key| &key.id)
    }

    /// Seals a secret.
    pub fn seal(&self, secret: &SecretId, value: &str) -> Result<Sealing, SealError> {
        let sealed = self.current.as_ref().ok_or(NoKey)?.seal(secret, value)?;
        let before_rotation = self.previous.as_ref().map(|key| key.seal(secret, value)).transpose()?;
        Ok(Sealing { sealed, before_rotation })
    }

    /// Opens a secret.
    pub fn open(&self, secret: &SecretId, sealed: &Sealed) -> Result<Zeroizing<String>, OpenError> {
        self.key()?;
        let held = || self.current.iter().chain(&self.previous);
        let key = held().find(|key| key.id == sealed.key).ok_or_else(|| OpenError::OtherKey {
            needed: sealed.key.clone(),
            held: held().map(|key| key.id.clone()).collect(),
        })?;
        key.open(secret, &sealed.bytes).ok_or(OpenError::Damaged)
    }
}

fn names(keys: &[KeyId]) -> String {
    keys.iter().map(KeyId::as_str).collect::<Vec<_>>().join(" and ")
}

impl Debug for MasterKey {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.debug_struct("MasterKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Debug for Vault {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self { current, previous } = self;
        out.debug_struct("Vault").field("current", current).field("previous", previous).finish()
    }
}
