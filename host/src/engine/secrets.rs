//! From what a job is granted to the secrets themselves.

use crate::domain::grants::SecretGrant;
use crate::domain::secret::{Sealed, SecretId};
use crate::domain::task::{Failure, FailureKind};
use crate::sandbox::GrantedSecret;
use crate::store::{Store, StoreError};
use crate::vault::Vault;
use std::collections::BTreeMap;

/// Opens secrets of a workspace. One that is not there, or that this host cannot open, fails every call.
pub(super) async fn open(
    store: &dyn Store,
    vault: &Vault,
    workspace: &str,
    grants: Vec<SecretGrant>,
) -> Result<Result<Vec<GrantedSecret>, Failure>, StoreError> {
    if grants.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    let names: Vec<&str> = grants.iter().map(|grant| grant.name.as_str()).collect();
    let sealed = match store.sealed_secrets(workspace, &names).await {
        Err(damage @ StoreError::Unreadable { .. }) => return Ok(Err(failure(damage.to_string()))),
        sealed => sealed?,
    };
    let opened = grants.into_iter().map(|grant| granted(vault, workspace, &sealed, grant).map_err(failure));
    Ok(opened.collect())
}

fn granted(
    vault: &Vault,
    workspace: &str,
    sealed: &BTreeMap<String, Sealed>,
    grant: SecretGrant,
) -> Result<GrantedSecret, String> {
    let SecretGrant { name, env, shown_as, hosts } = grant;
    let secret = SecretId { workspace: workspace.to_owned(), name };
    let sealed = sealed.get(&secret.name).ok_or_else(|| secret.missing())?;
    let value = vault.open(&secret, sealed).map_err(|error| format!("the secret {secret} cannot be used: {error}"))?;
    Ok(GrantedSecret { env, shown_as, hosts, value })
}

fn failure(reason: String) -> Failure {
    Failure { kind: FailureKind::Host, message: format!("grants.secrets: {reason}") }
}
