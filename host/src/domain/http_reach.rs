//! Where requests may go: by what the job grants, and by how far the operator lets jobs grant it.

use super::grants::{HttpGrant, HttpScheme};
use super::host_pattern::HostPattern;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// Where one request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// How the server is spoken to.
    pub scheme: HttpScheme,
    /// Its name or address, an IPv6 address without brackets.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
    /// The method, as it is sent.
    pub method: &'a str,
}

/// The operator's bound: a grant lies within one of these.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedHttp(Vec<AllowedServers>);

/// One `--allow-http`, such as `https://api.example.com`, `https://*.example.com:8443`, `http://*:*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedServers {
    scheme: HttpScheme,
    host: HostPattern,
    port: PortPattern,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PortPattern {
    Any,
    One(u16),
}

/// A grant that the operator does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("requests to {0} are not allowed on this host: start it with --allow-http {0}")]
pub struct HttpForbidden(String);

/// A text that names no servers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of https://HOST, http://HOST, either with :PORT or :* for any port")]
pub struct NoServers(String);

impl HttpGrant {
    /// Whether a request may go where it goes.
    pub fn allows(&self, target: Target<'_>) -> bool {
        self.scheme == target.scheme
            && self.port == target.port
            && self.host.matches(target.host)
            && (self.methods.is_empty() || self.methods.iter().any(|method| method == target.method))
    }

    /// The servers that it names, as a URL begins.
    fn place(&self) -> String {
        place(self.scheme, &self.host.to_string(), self.port)
    }
}

impl Target<'_> {
    /// The server, as a URL begins.
    pub fn place(&self) -> String {
        place(self.scheme, self.host, self.port)
    }
}

/// What a URL begins with; the port where it is not the usual one.
fn place(scheme: HttpScheme, host: &str, port: u16) -> String {
    format!("{}://{}", scheme.name(), authority(scheme, host, port))
}

/// A server's name and port, as a `Host` header has them.
pub fn authority(scheme: HttpScheme, host: &str, port: u16) -> String {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    if port == scheme.default_port() { host } else { format!("{host}:{port}") }
}

impl AllowedHttp {
    /// The bound that consists of these.
    pub fn new(allowed: Vec<AllowedServers>) -> Self {
        Self(allowed)
    }

    /// Refuses a grant that lies within none. Checked when a job is created and again before each interval: the operator
    /// may have changed their mind.
    pub fn check(&self, grant: &HttpGrant) -> Result<(), HttpForbidden> {
        if self.0.iter().any(|allowed| allowed.cover(grant)) { Ok(()) } else { Err(HttpForbidden(grant.place())) }
    }
}

impl AllowedServers {
    fn cover(&self, grant: &HttpGrant) -> bool {
        let port = matches!(self.port, PortPattern::Any) || self.port == PortPattern::One(grant.port);
        self.scheme == grant.scheme && port && self.host.covers(&grant.host)
    }
}

impl FromStr for AllowedServers {
    type Err = NoServers;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refusal = || NoServers(text.to_owned());
        let (scheme, place) = text.split_once("://").ok_or_else(refusal)?;
        let scheme = match scheme {
            "http" => HttpScheme::Http,
            "https" => HttpScheme::Https,
            _ => return Err(refusal()),
        };
        // The colons of an IPv6 address stand within brackets.
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (place, None),
        };
        let port = match port {
            None => PortPattern::One(scheme.default_port()),
            Some("*") => PortPattern::Any,
            Some(port) => PortPattern::One(port.parse().ok().filter(|port| *port > 0).ok_or_else(refusal)?),
        };
        if host.contains(':') && !host.starts_with('[') {
            return Err(refusal());
        }
        Ok(Self { scheme, host: host.parse().map_err(|_| refusal())?, port })
    }
}

impl Display for Target<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.method, self.place())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(scheme: HttpScheme, host: &str, port: u16, methods: &[&str]) -> HttpGrant {
        let methods = methods.iter().map(|method| (*method).to_owned()).collect();
        HttpGrant { scheme, host: host.parse().unwrap(), port, methods }
    }

    #[test]
    fn a_request_passes_where_scheme_host_port_and_method_are_granted() {
        let granted = grant(HttpScheme::Https, "*.example.com", 443, &["GET", "POST"]);
        let good = Target { scheme: HttpScheme::Https, host: "api.example.com", port: 443, method: "GET" };
        for (target, is_allowed) in [
            (good, true),
            (Target { method: "POST", ..good }, true),
            (Target { method: "DELETE", ..good }, false),
            (Target { method: "get", ..good }, false),
            (Target { scheme: HttpScheme::Http, ..good }, false),
            (Target { port: 8443, ..good }, false),
            (Target { host: "example.com", ..good }, false),
            (Target { host: "api.example.com.evil.org", ..good }, false),
            (Target { host: "127.0.0.1", ..good }, false),
        ] {
            assert_eq!(granted.allows(target), is_allowed, "{target}");
        }
        let any_method = grant(HttpScheme::Http, "*", 8080, &[]);
        assert!(any_method.allows(Target { scheme: HttpScheme::Http, host: "::1", port: 8080, method: "PURGE" }));
    }

    #[test]
    fn a_grant_lies_within_what_the_operator_allows() {
        for (allowed, scheme, host, port, is_covered) in [
            ("https://api.example.com", HttpScheme::Https, "api.example.com", 443, true),
            ("https://api.example.com", HttpScheme::Https, "api.example.com", 8443, false),
            ("https://api.example.com", HttpScheme::Http, "api.example.com", 443, false),
            ("https://*.example.com:8443", HttpScheme::Https, "*.example.com", 8443, true),
            ("https://*.example.com:8443", HttpScheme::Https, "*", 8443, false),
            ("https://*.example.com:8443", HttpScheme::Https, "a.example.com", 443, false),
            ("http://*", HttpScheme::Http, "*", 80, true),
            ("http://*", HttpScheme::Http, "*", 81, false),
            ("http://*:*", HttpScheme::Http, "10.0.0.1", 81, true),
            ("http://[::1]:81", HttpScheme::Http, "::1", 81, true),
            ("http://[::1]", HttpScheme::Http, "::1", 80, true),
        ] {
            let allowed_http = AllowedHttp::new(vec![allowed.parse().unwrap()]);
            assert_eq!(
                allowed_http.check(&grant(scheme, host, port, &[])).is_ok(),
                is_covered,
                "{allowed}, {host}:{port}"
            );
        }
        let refusal = AllowedHttp::default().check(&grant(HttpScheme::Https, "[::1]", 8443, &[])).unwrap_err();
        assert!(refusal.to_string().ends_with("--allow-http https://[::1]:8443"), "{refusal}");
    }

    #[test]
    fn what_names_no_servers_is_refused() {
        for text in [
            "",
            "api.example.com",
            "ftp://a",
            "https://",
            "https://a:0",
            "https://a:x",
            "https://a:65536",
            "https://a/b",
            "https://me@a",
            "http://::1",
            "HTTPS://a",
        ] {
            assert_eq!(text.parse::<AllowedServers>(), Err(NoServers(text.to_owned())));
        }
    }
}
