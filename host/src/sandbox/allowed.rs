//! The operator's bound of all that jobs may be granted.

use super::directories::AllowedDirectories;
use crate::domain::addresses::AllowedAddresses;
use crate::domain::http_reach::AllowedHttp;

/// Nothing is allowed by default but the public internet's addresses, and those only to whom a server is.
#[derive(Debug, Clone, Default)]
pub struct Allowed {
    /// Directories.
    pub directories: AllowedDirectories,
    /// Servers.
    pub http: AllowedHttp,
    /// Addresses of servers beside the public ones.
    pub addresses: AllowedAddresses,
}
