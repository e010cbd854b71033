//! What calls may reach beside the host's own functions.

use super::directories::GrantedDirectory;
use super::http::Network;
use crate::domain::grants::{HttpGrant, SecretShown};
use crate::domain::host_pattern::HostPattern;
use std::collections::BTreeMap;
use std::fmt::{self, Debug, Formatter};
use zeroize::Zeroizing;

/// Opened and checked once, for all calls of an interval. Nothing that is not in it is reached.
#[derive(Debug, Default)]
pub struct Reach {
    /// Directories, open.
    pub directories: Vec<GrantedDirectory>,
    /// Where requests may go, as far as the operator allows it.
    pub http: Vec<HttpGrant>,
    /// Configuration values: environment variables of the call.
    pub config: BTreeMap<String, String>,
    /// Secrets, decrypted.
    pub secrets: Vec<GrantedSecret>,
    /// The way to the network.
    pub network: Network,
}

/// A secret that a call may use.
pub struct GrantedSecret {
    /// The environment variable that the call sees it as.
    pub env: String,
    /// What it sees there.
    pub shown_as: SecretShown,
    /// The hosts to which a placeholder is replaced; all that requests may go to where none is named.
    pub hosts: Vec<HostPattern>,
    /// The secret itself.
    pub value: Zeroizing<String>,
}

impl Debug for GrantedSecret {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.debug_struct("GrantedSecret").field("env", &self.env).finish_non_exhaustive()
    }
}
