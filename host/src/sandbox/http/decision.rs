//! Whether a request may leave, and as what: the job's grants decide before a name is looked up.

use super::Request;
use super::headers::{self, Withheld};
use crate::domain::grants::HttpScheme;
use crate::domain::http_reach::{Target, authority};
use crate::sandbox::context::IdempotencyKey;
use crate::sandbox::scope::Scope;
use http::Uri;
use http::uri::Scheme;

/// Why a request does not leave. Its words go into the task's log.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// No server can be told from it.
    #[error("a request was refused: its URL takes http or https, a host, and at most a port beside it")]
    Url,
    /// A user's name or password in the URL, where they would be logged and sent to whoever is named behind it.
    #[error("a request to {0} was refused: a URL holds no user and no password; send them in a header")]
    UserInfo(String),
    /// It would turn the connection into something that is no longer looked at.
    #[error("{0} was refused: CONNECT is never allowed")]
    Tunnel(String),
    /// Nothing that the job grants covers it.
    #[error("{name} was refused: the job does not grant it; `grants.http` takes {missing}")]
    NotGranted { name: String, missing: String },
    #[error("{name} was refused: {withheld}")]
    Secret { name: String, withheld: Withheld },
}

/// Answers with the request as it leaves.
pub(super) fn decide(mut request: Request, scope: &Scope, key: IdempotencyKey) -> Result<Request, Refusal> {
    let (uri, method) = (request.uri().clone(), request.method().clone());
    let target = target(&uri, method.as_str())?;
    let name = named(&uri, target);
    if method == http::Method::CONNECT {
        return Err(Refusal::Tunnel(name));
    }
    if !scope.reach.http.iter().any(|grant| grant.allows(target)) {
        return Err(Refusal::NotGranted { name, missing: missing(target) });
    }
    headers::complete(request.headers_mut(), target, &key.text(&scope.ids));
    headers::put_secrets_in(request.headers_mut(), target.host, &scope.stand_ins)
        .map_err(|withheld| Refusal::Secret { name, withheld })?;
    Ok(request)
}

/// The server and the method, told from the URL alone. Whatever could be read in two ways is refused.
fn target<'a>(uri: &'a Uri, method: &'a str) -> Result<Target<'a>, Refusal> {
    let scheme = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP => HttpScheme::Http,
        Some(scheme) if *scheme == Scheme::HTTPS => HttpScheme::Https,
        _ => return Err(Refusal::Url),
    };
    let whole = uri.authority().ok_or(Refusal::Url)?.as_str();
    if let Some((_, server)) = whole.rsplit_once('@') {
        return Err(Refusal::UserInfo(server.to_owned()));
    }
    let bracketed = uri.host().ok_or(Refusal::Url)?;
    let port = match whole.strip_prefix(bracketed) {
        Some("") => scheme.default_port(),
        Some(rest) => {
            let digits = rest.strip_prefix(':').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
            digits.and_then(|digits| digits.parse().ok()).filter(|port| *port > 0).ok_or(Refusal::Url)?
        }
        None => return Err(Refusal::Url),
    };
    let host = bracketed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(bracketed);
    if host.is_empty() { Err(Refusal::Url) } else { Ok(Target { scheme, host, port, method }) }
}

/// A request as logs name it: without its query, which may hold what nobody else should read.
pub(super) fn name(request: &Request) -> String {
    let uri = request.uri();
    target(uri, request.method().as_str()).map_or_else(|refusal| refusal.to_string(), |target| named(uri, target))
}

fn named(uri: &Uri, target: Target<'_>) -> String {
    format!("{target}{}", uri.path())
}

/// The entry of `grants.http` that would let it pass.
fn missing(target: Target<'_>) -> String {
    let Target { scheme, host, port, method } = target;
    format!(r#"{{"scheme":"{}","host":"{host}","port":{port},"methods":["{method}"]}}"#, scheme.name())
}

/// The `Host` header that belongs to a request.
pub(super) fn host_header(target: Target<'_>) -> String {
    authority(target.scheme, target.host, target.port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Result<(String, u16), String> {
        let uri: Uri = url.parse().map_err(|_| "no URL".to_owned())?;
        let target = target(&uri, "GET").map_err(|refusal| refusal.to_string())?;
        Ok((target.host.to_owned(), target.port))
    }

    #[test]
    fn the_server_is_read_from_the_url_in_one_way_or_not_at_all() {
        for (url, host, port) in [
            ("https://api.example.com/a?b", "api.example.com", 443),
            ("http://api.example.com", "api.example.com", 80),
            ("http://api.example.com:8080/", "api.example.com", 8080),
            ("http://[::1]:8080/", "::1", 8080),
            ("https://[fe80::1]/", "fe80::1", 443),
            ("http://2130706433/", "2130706433", 80),
        ] {
            assert_eq!(server(url), Ok((host.to_owned(), port)), "{url}");
        }
        for url in [
            "/path",
            "ftp://a/",
            "http://a:/",
            "http://a:0/",
            "http://a:99999/",
            "http://me:sesame@a/",
            "http://granted.example.com@10.0.0.1/",
            "http://me@[::1]/",
        ] {
            let refusal = server(url).unwrap_err();
            assert!(!refusal.contains("sesame") && !refusal.contains("granted"), "{url}: {refusal}");
        }
    }
}
