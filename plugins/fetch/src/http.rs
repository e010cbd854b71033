//! One request over `wasi:http`. Any crate that speaks it does as well.

use wasip2::http::outgoing_handler::{OutgoingRequest, handle};
use wasip2::http::types::{ErrorCode, Fields, IncomingResponse, Method, OutgoingBody, Scheme, http_error_code};
use wasip2::io::streams::StreamError;

/// How much is written or read at a time.
const CHUNK: usize = 4096;

pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) url: &'a str,
    pub(crate) headers: &'a [(String, String)],
    pub(crate) body: &'a [u8],
}

pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// Why there is no response.
pub(crate) struct Failure {
    pub(crate) reason: String,
    /// Whether the host would answer the same another time.
    pub(crate) is_final: bool,
}

impl Failure {
    fn of(url: &str, code: &ErrorCode) -> Self {
        let is_final = matches!(
            code,
            ErrorCode::HttpRequestDenied
                | ErrorCode::HttpRequestUriInvalid
                | ErrorCode::HttpRequestMethodInvalid
                | ErrorCode::HttpRequestBodySize(_)
                | ErrorCode::HttpResponseBodySize(_)
        );
        Self { reason: format!("{url}: {code:?}"), is_final }
    }

    fn invalid(what: &str) -> Self {
        Self { reason: format!("{what} cannot be sent"), is_final: true }
    }
}

pub(crate) fn send(request: &Request<'_>) -> Result<Response, Failure> {
    let Request { method, url, headers, body } = request;
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes())).collect();
    let headers = Fields::from_list(&headers).map_err(|error| Failure::invalid(&format!("a header ({error:?})")))?;
    let outgoing = OutgoingRequest::new(headers);
    let (scheme, authority, path) = parts(url);
    outgoing.set_method(&Method::Other((*method).to_owned())).map_err(|()| Failure::invalid(method))?;
    outgoing.set_scheme(Some(&scheme)).map_err(|()| Failure::invalid(url))?;
    outgoing.set_authority(Some(authority)).map_err(|()| Failure::invalid(url))?;
    outgoing.set_path_with_query(Some(path)).map_err(|()| Failure::invalid(url))?;
    let outgoing_body = if body.is_empty() { None } else { Some(outgoing.body().expect("the first of a request")) };
    let response = handle(outgoing, None).map_err(|code| Failure::of(url, &code))?;
    if let Some(outgoing_body) = outgoing_body {
        write(outgoing_body, body);
    }
    response.subscribe().block();
    let response = response.get().expect("it was waited for").expect("it is taken once");
    let response = response.map_err(|code| Failure::of(url, &code))?;
    let location = response.headers().get("location").into_iter().next();
    let location = location.and_then(|value| String::from_utf8(value).ok());
    Ok(Response { status: response.status(), location, body: read(&response).map_err(|code| Failure::of(url, &code))? })
}

/// Writes as far as the server reads; what goes wrong the response tells.
fn write(outgoing: OutgoingBody, body: &[u8]) {
    let stream = outgoing.write().expect("the first of a body");
    let is_written = body.chunks(CHUNK).all(|chunk| stream.blocking_write_and_flush(chunk).is_ok());
    drop(stream);
    if is_written {
        // As above.
        let _ = OutgoingBody::finish(outgoing, None);
    }
}

fn read(response: &IncomingResponse) -> Result<Vec<u8>, ErrorCode> {
    let body = response.consume().expect("the first time");
    let stream = body.stream().expect("the first of a body");
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(CHUNK as u64) {
            Ok(chunk) => bytes.extend(chunk),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(http_error_code(&error).unwrap_or(ErrorCode::InternalError(Some(error.to_debug_string()))));
            }
        }
    }
}

/// A URL's scheme, its server, and the rest of it.
fn parts(url: &str) -> (Scheme, &str, &str) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    match rest.find(['/', '?']) {
        Some(at) if rest[at..].starts_with('/') => (scheme, &rest[..at], &rest[at..]),
        _ => (scheme, rest, "/"),
    }
}

/// Where a redirect leads: a URL of its own, or a path on the same server.
pub(crate) fn join(url: &str, location: &str) -> String {
    if location.contains("://") {
        return location.to_owned();
    }
    let server = url.find("://").and_then(|at| url[at + 3..].find('/').map(|path| &url[..at + 3 + path]));
    format!("{}/{}", server.unwrap_or(url), location.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::{join, parts};

    #[test]
    fn a_url_has_a_server_and_a_path() {
        assert_eq!(parts("http://a:1/b?c").1, "a:1");
        assert_eq!(parts("http://a:1/b?c").2, "/b?c");
        assert_eq!(parts("https://a").2, "/");
    }

    #[test]
    fn a_redirect_leads_to_a_url_or_to_a_path() {
        assert_eq!(join("http://a/b", "https://c/d"), "https://c/d");
        assert_eq!(join("http://a:1/b/c", "/d"), "http://a:1/d");
        assert_eq!(join("http://a:1", "d"), "http://a:1/d");
    }
}
