//! What stands for the secrets of an interval in what its calls see.

use crate::domain::grants::SecretShown;
use crate::domain::host_pattern::HostPattern;
use crate::sandbox::reach::GrantedSecret;
use zeroize::Zeroizing;

/// What placeholders begin with: whoever finds one somewhere knows what it is.
const PLACEHOLDER: &str = "latchwork-secret-";

/// A placeholder, and the secret that it stands for.
pub(in crate::sandbox) struct StandIn {
    pub(in crate::sandbox) env: String,
    pub(in crate::sandbox) placeholder: String,
    pub(super) value: Zeroizing<String>,
    hosts: Vec<HostPattern>,
}

impl StandIn {
    /// One for each secret that calls do not see.
    pub(in crate::sandbox) fn for_hidden(secrets: &[GrantedSecret]) -> Vec<Self> {
        secrets.iter().filter(|secret| secret.shown_as == SecretShown::Placeholder).map(Self::of).collect()
    }

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
