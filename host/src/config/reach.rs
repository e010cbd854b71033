//! The settings of what jobs may be granted at all.

use super::readers::take_all;
use crate::domain::addresses::{AllowedAddress, AllowedAddresses};
use crate::domain::http_reach::{AllowedHttp, AllowedServers};
use crate::sandbox::{Allowed, AllowedDirectories, AllowedDirectory};

/// Each may be given several times, and holds several values in its variable, separated by commas.
#[derive(Debug, Default, Clone, clap::Args)]
#[command(next_help_heading = "What jobs may be granted")]
pub struct ReachSettings {
    /// A directory that jobs may be granted, `PATH` to read or `PATH:rw` to write, too; repeatable, in the variable
    /// separated by commas [default: none]
    #[arg(long, env = "LATCHWORK_ALLOW_DIR", value_name = "PATH[:rw]", value_delimiter = ',', value_parser = allow_dir)]
    pub allow_dir: Vec<AllowedDirectory>,

    /// Servers that jobs may be granted, such as https://api.example.com, https://*.example.com:8443 or http://*:* (any
    /// host, any port); repeatable, in the variable separated by commas [default: none]
    #[arg(
        long, env = "LATCHWORK_ALLOW_HTTP", value_name = "SCHEME://HOST[:PORT]", value_delimiter = ',',
        value_parser = allow_http
    )]
    pub allow_http: Vec<AllowedServers>,

    /// Addresses that requests may go to beside the public ones, such as 10.1.0.0/16; repeatable, in the variable
    /// separated by commas [default: none]
    #[arg(
        long, env = "LATCHWORK_ALLOW_ADDRESS", value_name = "NETWORK", value_delimiter = ',',
        value_parser = allow_address
    )]
    pub allow_address: Vec<AllowedAddress>,
}

impl ReachSettings {
    pub(super) fn from_toml(file: &mut toml::Table) -> Result<Self, String> {
        Ok(Self {
            allow_dir: take_all(file, "allow_dir", allow_dir)?,
            allow_http: take_all(file, "allow_http", allow_http)?,
            allow_address: take_all(file, "allow_address", allow_address)?,
        })
    }

    /// These settings, and where they are silent those of `file`.
    pub(super) fn or(self, file: Self) -> Self {
        Self {
            allow_dir: if self.allow_dir.is_empty() { file.allow_dir } else { self.allow_dir },
            allow_http: if self.allow_http.is_empty() { file.allow_http } else { self.allow_http },
            allow_address: if self.allow_address.is_empty() { file.allow_address } else { self.allow_address },
        }
    }

    pub(super) fn resolve(self) -> Allowed {
        Allowed {
            directories: AllowedDirectories::new(self.allow_dir),
            http: AllowedHttp::new(self.allow_http),
            addresses: AllowedAddresses::new(self.allow_address),
        }
    }
}

fn allow_dir(text: &str) -> Result<AllowedDirectory, String> {
    text.parse()
        .map_err(|reason| format!("LATCHWORK_ALLOW_DIR takes directories that exist, PATH or PATH:rw ({reason})"))
}

fn allow_http(text: &str) -> Result<AllowedServers, String> {
    text.parse().map_err(|error| format!("LATCHWORK_ALLOW_HTTP takes servers such as https://api.example.com: {error}"))
}

fn allow_address(text: &str) -> Result<AllowedAddress, String> {
    text.parse().map_err(|error| format!("LATCHWORK_ALLOW_ADDRESS takes networks such as 10.1.0.0/16: {error}"))
}
