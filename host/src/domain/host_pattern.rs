//! Which hosts of a network a grant means.

use serde::{Deserialize, Serialize};
use std::fmt::{self, Display, Formatter};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The longest name that DNS knows, in characters.
const NAME_MAX: usize = 253;

/// One host by its name or address, all below a domain (`*.example.com`), or any (`*`). Names are kept in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPattern(Pattern);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Any,
    /// The domain behind `*.`; the domain itself is not meant.
    Below(String),
    One(String),
}

/// A text that is no pattern of hosts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no host: it takes a name such as api.example.com, an address, *.example.com, or * for any")]
pub struct NoHostPattern(String);

impl HostPattern {
    /// Whether a host is meant; an IPv6 address is written without brackets.
    pub fn matches(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        match &self.0 {
            Pattern::Any => true,
            // Addresses have no domains: `*.0.0.1` is refused below, so none ends like one.
            Pattern::Below(domain) => {
                host.strip_suffix(domain).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            Pattern::One(name) => host == name,
        }
    }

    /// Whether every host that `other` means is meant.
    pub fn covers(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Pattern::Any, _) => true,
            (_, Pattern::Any) => false,
            (Pattern::Below(_), Pattern::One(name)) => self.matches(name),
            (Pattern::Below(domain), Pattern::Below(other)) => other == domain || self.matches(other),
            (Pattern::One(name), Pattern::One(other)) => name == other,
            (Pattern::One(_), Pattern::Below(_)) => false,
        }
    }
}

impl FromStr for HostPattern {
    type Err = NoHostPattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = text.to_ascii_lowercase();
        let bare = lower.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&lower);
        let pattern = match lower.strip_prefix("*.") {
            _ if lower == "*" => Pattern::Any,
            Some(domain) if is_name(domain) && domain.parse::<Ipv4Addr>().is_err() => Pattern::Below(domain.to_owned()),
            None if bare.parse::<Ipv6Addr>().is_ok() || is_name(&lower) => Pattern::One(bare.to_owned()),
            _ => return Err(NoHostPattern(text.to_owned())),
        };
        Ok(Self(pattern))
    }
}

fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_known = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        !label.is_empty() && label.len() <= 63 && is_known
    };
    text.len() <= NAME_MAX && text.split('.').all(is_label)
}

impl TryFrom<String> for HostPattern {
    type Error = NoHostPattern;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<HostPattern> for String {
    fn from(pattern: HostPattern) -> Self {
        pattern.to_string()
    }
}

impl Display for HostPattern {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Pattern::Any => out.write_str("*"),
            Pattern::Below(domain) => write!(out, "*.{domain}"),
            Pattern::One(name) => out.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> HostPattern {
        text.parse().unwrap()
    }

    #[test]
    fn a_pattern_means_one_host_those_below_a_domain_or_any() {
        for (text, host, is_meant) in [
            ("api.example.com", "API.example.com", true),
            ("api.example.com", "api.example.com.", true),
            ("api.example.com", "example.com", false),
            ("*.example.com", "api.example.com", true),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "badexample.com", false),
            ("*.example.com", ".example.com", false),
            ("*", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.1", true),
            ("[::1]", "::1", true),
        ] {
            assert_eq!(pattern(text).matches(host), is_meant, "{text} and {host}");
        }
    }

    #[test]
    fn a_wider_pattern_covers_a_narrower_one() {
        for (wide, narrow, covers) in [
            ("*", "*", true),
            ("*", "*.example.com", true),
            ("*.example.com", "*", false),
            ("*.example.com", "*.example.com", true),
            ("*.example.com", "*.api.example.com", true),
            ("*.api.example.com", "*.example.com", false),
            ("*.example.com", "api.example.com", true),
            ("*.example.com", "example.com", false),
            ("api.example.com", "*.api.example.com", false),
        ] {
            assert_eq!(pattern(wide).covers(&pattern(narrow)), covers, "{wide} and {narrow}");
        }
    }

    #[test]
    fn what_names_no_host_is_refused() {
        for text in
            ["", "*.", "*.*", "a*b", "https://example.com", "example.com:443", "a..b", "*.10.0.0.1", "a b", "[x]"]
        {
            assert_eq!(text.parse::<HostPattern>(), Err(NoHostPattern(text.to_owned())));
        }
    }
}
