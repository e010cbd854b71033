//! The change of the key that secrets are encrypted under, and what an operator is told of keys.

use super::open;
use crate::config::Config;
use crate::database_setting::Database;
use crate::domain::secret::KeyId;
use crate::store::{Resealed, Store};
use crate::vault::Vault;
use anyhow::{Context as _, bail};
use tracing::{info, warn};

/// What a change of the key did.
#[derive(Debug)]
pub struct Rotation {
    /// The key that all secrets are under now.
    pub key: KeyId,
    /// How many were put under it.
    pub changed: usize,
    /// How many were under it before.
    pub unchanged: usize,
}

/// Puts all secrets under the key of the settings, in one transaction: where it is interrupted nothing has changed.
pub async fn rotate_secrets(config: &Config) -> anyhow::Result<Rotation> {
    let vault = &config.vault;
    let key = vault.key()?.clone();
    if let Database::Sqlite(path) = &config.database
        && !path.exists()
    {
        bail!("there is no database at {} (DATABASE_URL, LATCHWORK_DATA_DIR)", path.display());
    }
    let store = open(&config.database, None)
        .await
        .with_context(|| format!("the database {} (DATABASE_URL) cannot be used", config.database))?;
    loop {
        let all = store.all_sealed_secrets().await?;
        let (mut resealed, total) = (Vec::new(), all.len());
        for (secret, was) in all.into_iter().filter(|(_, sealed)| sealed.key != key) {
            let value =
                vault.open(&secret, &was).with_context(|| format!("nothing was changed: the secret {secret}"))?;
            let becomes = vault.seal(&secret, &value)?.sealed;
            resealed.push(Resealed { secret, was, becomes });
        }
        let changed = resealed.len();
        // Where somebody has stored a secret meanwhile all are read again.
        if store.reseal_secrets(&key, &resealed).await? {
            return Ok(Rotation { key, changed, unchanged: total - changed });
        }
    }
}

/// Says at a start what the operator is to know of the secrets' keys.
pub(super) async fn tell_of_keys(store: &dyn Store, vault: &Vault) {
    // A database that is away is reported by whoever needs it.
    let Ok(used) = store.secret_keys().await else { return };
    for (key, secrets) in &used {
        if Some(key) == vault.previous_key() {
            info!(
                "{secrets} secrets are encrypted under the previous key {key}: when all hosts have both keys, run \
                 `latchwork secret rotate`"
            );
        } else if vault.key().ok() != Some(key) {
            warn!(
                "{secrets} secrets are encrypted under the key {key}, which this host has not been given: jobs that are \
                 granted one of them fail here (LATCHWORK_SECRETS_KEY_FILE, LATCHWORK_SECRETS_PREVIOUS_KEY_FILE)"
            );
        }
    }
    if let Some(key) = vault.previous_key()
        && !used.contains_key(key)
    {
        info!(
            "No secret is encrypted under the previous key {key}: LATCHWORK_SECRETS_PREVIOUS_KEY_FILE can be left out"
        );
    }
}
