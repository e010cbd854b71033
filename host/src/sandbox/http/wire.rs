//! What the calls of one interval share: where they may go, and the secrets with what stands for them.

use super::network::Network;
use crate::domain::grants::{HttpGrant, SecretShown};
use crate::domain::host_pattern::HostPattern;
use crate::sandbox::reach::{GrantedSecret, Reach};
use crate::sandbox::veil::Veil;
use std::fmt::{self, Debug, Formatter};
use std::sync::{Arc, OnceLock};
use zeroize::Zeroizing;

/// What placeholders begin with: whoever finds one somewhere knows what it is.
const PLACEHOLDER: &str = "latchwork-secret-";

/// One interval's way out.
#[derive(Default)]
pub struct Wire {
    network: Network,
    prepared: OnceLock<Arc<Prepared>>,
}

/// What is made of an interval's grants at its first call.
pub(in crate::sandbox) struct Prepared {
    pub(super) network: Network,
    pub(super) grants: Vec<HttpGrant>,
    pub(super) stand_ins: Vec<StandIn>,
    veil: Arc<Veil>,
}

/// A placeholder, and the secret that it stands for.
pub(super) struct StandIn {
    pub(super) env: String,
    pub(super) placeholder: String,
    pub(super) value: Zeroizing<String>,
    hosts: Vec<HostPattern>,
}

impl Wire {
    /// The way out of one interval.
    pub(super) fn on(network: Network) -> Self {
        Self { network, prepared: OnceLock::new() }
    }
}

impl Debug for Wire {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.debug_struct("Wire").finish_non_exhaustive()
    }
}

impl StandIn {
    fn of(secret: &GrantedSecret) -> Self {
        let GrantedSecret { env, hosts, value, .. } = secret;
        let mut random = [0; 16];
        getrandom::fill(&mut random).expect("the system has random bytes");
        let placeholder = format!("{PLACEHOLDER}{}", hex::encode(random));
        Self { env: env.clone(), placeholder, value: value.clone(), hosts: hosts.clone() }
    }

    /// Whether a host may have the secret.
    pub(super) fn is_for(&self, host: &str) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|pattern| pattern.matches(host))
    }
}

impl Reach {
    pub(in crate::sandbox) fn prepared(&self) -> Arc<Prepared> {
        let hidden = |secret: &&GrantedSecret| secret.shown_as == SecretShown::Placeholder;
        let prepared = self.wire.prepared.get_or_init(|| {
            Arc::new(Prepared {
                network: self.wire.network.clone(),
                grants: self.http.clone(),
                stand_ins: self.secrets.iter().filter(hidden).map(StandIn::of).collect(),
                veil: Arc::new(Veil::over(&self.secrets)),
            })
        });
        Arc::clone(prepared)
    }

    /// What is kept out of a call's log.
    pub(in crate::sandbox) fn veil(&self) -> Arc<Veil> {
        Arc::clone(&self.prepared().veil)
    }

    /// The environment variables of a call.
    pub(in crate::sandbox) fn variables(&self) -> Vec<(String, String)> {
        let prepared = self.prepared();
        let config = self.config.iter().map(|(name, value)| (name.clone(), value.clone()));
        let shown = self.secrets.iter().filter(|secret| secret.shown_as == SecretShown::Value);
        let shown = shown.map(|secret| (secret.env.clone(), secret.value.to_string()));
        let stand_ins = prepared.stand_ins.iter().map(|other| (other.env.clone(), other.placeholder.clone()));
        config.chain(shown).chain(stand_ins).collect()
    }
}
