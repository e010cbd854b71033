//! Where the requests of one interval may go, and what stands for its secrets meanwhile.

use super::network::Network;
use crate::domain::grants::{HttpGrant, SecretShown};
use crate::domain::host_pattern::HostPattern;
use crate::sandbox::reach::{GrantedSecret, Reach};
use zeroize::Zeroizing;

/// What placeholders begin with: whoever finds one somewhere knows what it is.
const PLACEHOLDER: &str = "latchwork-secret-";

/// One interval's way out.
pub(in crate::sandbox) struct Wire {
    pub(super) network: Network,
    pub(super) grants: Vec<HttpGrant>,
    pub(in crate::sandbox) stand_ins: Vec<StandIn>,
}

/// A placeholder, and the secret that it stands for.
pub(in crate::sandbox) struct StandIn {
    pub(in crate::sandbox) env: String,
    pub(in crate::sandbox) placeholder: String,
    pub(super) value: Zeroizing<String>,
    hosts: Vec<HostPattern>,
}

impl Wire {
    pub(in crate::sandbox) fn of(reach: &Reach) -> Self {
        let hidden = |secret: &&GrantedSecret| secret.shown_as == SecretShown::Placeholder;
        Self {
            network: reach.network.clone(),
            grants: reach.http.clone(),
            stand_ins: reach.secrets.iter().filter(hidden).map(StandIn::of).collect(),
        }
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
