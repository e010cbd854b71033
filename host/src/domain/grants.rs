//! What a job's tasks may reach beside the host's own functions: nothing that is not named here.

use super::host_pattern::HostPattern;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What a job grants its tasks. Rows that say nothing of a member grant nothing of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Grants {
    /// Directories of the host's machine.
    pub directories: Vec<DirectoryGrant>,
    /// Where requests may go.
    pub http: Vec<HttpGrant>,
    /// Configuration values, by the names of the environment variables that tasks see them as.
    pub config: BTreeMap<String, String>,
    /// Secrets of the job's workspace.
    pub secrets: Vec<SecretGrant>,
}

/// A directory that tasks may reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryGrant {
    /// Where it is on the host's machine.
    pub path: PathBuf,
    /// Where tasks see it.
    pub mount: String,
    /// What they may do there.
    pub access: Access,
}

/// What may be done in a directory. A larger one includes the smaller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// List and read.
    #[default]
    Read,
    /// Create, change and remove, too.
    ReadWrite,
}

/// Servers that tasks may send requests to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpGrant {
    /// How they are spoken to.
    pub scheme: HttpScheme,
    /// Which.
    pub host: HostPattern,
    /// On which port.
    pub port: u16,
    /// With which methods, in upper case; any where none is named.
    pub methods: Vec<String>,
}

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HttpScheme {
    /// In the clear.
    Http,
    /// Over TLS.
    #[default]
    Https,
}

/// A secret that tasks may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretGrant {
    /// Its name in the workspace.
    pub name: String,
    /// The environment variable that tasks see it as.
    pub env: String,
    /// What tasks see there.
    pub shown_as: SecretShown,
    /// The hosts to which a placeholder is replaced; all that the job's requests may go to where none is named.
    pub hosts: Vec<HostPattern>,
}

/// What a task sees of a secret.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretShown {
    /// A text that stands for it, and is replaced by it in the headers of requests on their way out.
    #[default]
    Placeholder,
    /// The secret itself: for what is no HTTP header, such as a signature.
    Value,
}

impl HttpScheme {
    /// The name in a URL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port of URLs that name none.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}
