use std::fmt::Write;
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use super::table;

const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// An upload is compiled before it is answered, which takes a large plugin many seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// The largest answer that is read: a page of outputs or logs stays far below it.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// A host's HTTP API.
///
/// A path is given as its segments, so that an id or a name can hold any character.
pub(super) struct Client {
    agent: Agent,
    server: String,
}

/// What the host answered to a request that it accepted.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) text: String,
}

/// Why a request brought no answer to use.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error("no host answers at {server} ({reason}); start one with `latchwork serve` or name another with --server")]
    Unreachable { server: String, reason: String },

    #[error("the address {server} cannot be used: {reason}")]
    Address { server: String, reason: String },

    #[error("{detail} ({code})")]
    Refused { code: String, detail: String },
}

impl Client {
    pub(super) fn new(server: &str) -> Client {
        let scheme = if server.contains("://") { "" } else { "http://" };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_WITHIN))
            .timeout_recv_response(Some(ANSWER_WITHIN))
            .build();
        Client { agent: config.into(), server: format!("{scheme}{}", server.trim_end_matches('/')) }
    }

    pub(super) fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Answer, ClientError> {
        let request = self.agent.get(self.url(path)).header("accept", "application/json");
        self.answer(request.query_pairs(query.iter().copied()).call())
    }

    pub(super) fn post(&self, path: &[&str], body: &Value) -> Result<Answer, ClientError> {
        self.answer(self.agent.post(self.url(path)).send_json(body))
    }

    pub(super) fn patch(&self, path: &[&str], body: &Value) -> Result<Answer, ClientError> {
        self.answer(self.agent.patch(self.url(path)).send_json(body))
    }

    /// Posts without a body.
    pub(super) fn command(&self, path: &[&str]) -> Result<Answer, ClientError> {
        self.answer(self.agent.post(self.url(path)).send_empty())
    }

    pub(super) fn put(&self, path: &[&str], bytes: &[u8]) -> Result<Answer, ClientError> {
        self.answer(self.agent.put(self.url(path)).content_type("application/wasm").send(bytes))
    }

    pub(super) fn put_json(&self, path: &[&str], body: &Value) -> Result<Answer, ClientError> {
        self.answer(self.agent.put(self.url(path)).send_json(body))
    }

    pub(super) fn delete(&self, path: &[&str]) -> Result<Answer, ClientError> {
        self.answer(self.agent.delete(self.url(path)).call())
    }

    fn url(&self, path: &[&str]) -> String {
        path.iter().fold(self.server.clone(), |url, segment| url + "/" + &percent_encoded(segment))
    }

    fn answer(&self, response: Result<Response<Body>, ureq::Error>) -> Result<Answer, ClientError> {
        let mut response = response.map_err(|error| self.failure(error))?;
        let status = response.status();
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).lossy_utf8(true).read_to_string();
        let text = body.map_err(|error| self.failure(error))?;
        if status.is_success() { Ok(Answer { status, text }) } else { Err(refusal(status, &text)) }
    }

    fn failure(&self, error: ureq::Error) -> ClientError {
        let server = self.server.clone();
        match error {
            ureq::Error::BadUri(reason) => ClientError::Address { server, reason },
            ureq::Error::Http(reason) => ClientError::Address { server, reason: reason.to_string() },
            ureq::Error::Io(error) => ClientError::Unreachable { server, reason: error.to_string() },
            error => ClientError::Unreachable { server, reason: error.to_string() },
        }
    }
}

impl Answer {
    pub(super) fn read<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        serde_json::from_str(&self.text).context("the answer is not what this version of latchwork expects")
    }
}

/// The members of `application/problem+json` that are shown.
#[derive(Deserialize)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
    code: Option<String>,
}

/// Whatever stands between the client and the host may answer too, and not with a problem document.
fn refusal(status: StatusCode, text: &str) -> ClientError {
    let problem = serde_json::from_str(text).unwrap_or(Problem { title: None, detail: None, code: None });
    let detail = problem.detail.or(problem.title).unwrap_or_else(|| "the request was refused".into());
    let code = problem.code.unwrap_or_else(|| status.to_string());
    ClientError::Refused { code: table::printable(&code), detail: table::printable(&detail) }
}

fn percent_encoded(segment: &str) -> String {
    segment.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a String takes every write");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_segment_of_the_path() {
        let client = Client::new("localhost:9/");
        assert_eq!(client.url(&["plugins", "a/b ü"]), "http://localhost:9/plugins/a%2Fb%20%C3%BC");
    }

    #[test]
    fn a_refusal_shows_detail_and_code() {
        let problem =
            r#"{"type":"about:blank","title":"Conflict","status":409,"detail":"job x runs","code":"job_busy"}"#;
        assert_eq!(refusal(StatusCode::CONFLICT, problem).to_string(), "job x runs (job_busy)");
    }

    #[test]
    fn a_refusal_that_is_no_problem_document_shows_its_status() {
        let refusal = refusal(StatusCode::BAD_GATEWAY, "<html>");
        assert_eq!(refusal.to_string(), "the request was refused (502 Bad Gateway)");
    }
}
