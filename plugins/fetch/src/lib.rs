//! Sends requests, one task for each URL of its payload: where they may go is granted by the job, `grants.http`.
//!
//! `{"urls": ["https://api.example.com/a"], "headers": {"authorization": "Bearer $API_TOKEN"}}`; what begins with `$` in
//! a header is replaced by the environment variable, in which configuration values and secrets are seen.

mod http;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Failure, Request, Response};
use latchwork_sdk::{Job, Plan, Task, TaskError, task};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many redirects are followed.
const REDIRECTS_MAX: usize = 5;

/// The job's payload.
#[derive(Deserialize)]
struct Order {
    urls: Vec<String>,
    #[serde(default = "get")]
    method: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// User and password, as curl's `-u` takes them.
    basic: Option<(String, String)>,
    #[serde(default)]
    body: String,
}

/// A task's output.
#[derive(Serialize)]
struct Answer {
    status: u16,
    body: String,
}

fn get() -> String {
    "GET".to_owned()
}

fn plan(_: &Job, order: Order) -> Result<Plan, TaskError> {
    Ok(Plan::tasks(u32::try_from(order.urls.len()).map_err(TaskError::fatal)?))
}

#[task(plan = plan)]
fn fetch(task: &Task, order: Order) -> Result<Answer, TaskError> {
    let Order { urls, method, headers, basic, body } = order;
    let mut url = urls[task.index() as usize].clone();
    let mut headers: Vec<_> = headers.into_iter().map(|(name, value)| (name, filled(&value))).collect();
    if let Some((user, password)) = basic {
        let credentials = STANDARD.encode(format!("{}:{}", filled(&user), filled(&password)));
        headers.push(("authorization".to_owned(), format!("Basic {credentials}")));
    }
    for _ in 0..=REDIRECTS_MAX {
        let request = Request { method: &method, url: &url, headers: &headers, body: body.as_bytes() };
        let Response { status, location, body } = http::send(&request).map_err(outcome)?;
        match location {
            // The host does not follow: each request is one that the job must grant.
            Some(next) if (300..400).contains(&status) => url = http::join(&url, &next),
            _ if status >= 500 || status == 429 => {
                return Err(TaskError::retryable(format!("{url} answers {status}")));
            }
            _ => return Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned() }),
        }
    }
    Err(TaskError::fatal(format!("{url} comes after {REDIRECTS_MAX} redirects")))
}

/// What is refused stays refused; anything else may go better another time.
fn outcome(failure: Failure) -> TaskError {
    if failure.is_final { TaskError::fatal(failure.reason) } else { TaskError::retryable(failure.reason) }
}

/// A header's value with environment variables in the place of `$NAME`.
fn filled(value: &str) -> String {
    let words = value.split(' ').map(|word| {
        let variable = word.strip_prefix('$').and_then(|name| std::env::var(name).ok());
        variable.unwrap_or_else(|| word.to_owned())
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::filled;

    #[test]
    fn a_word_that_names_a_variable_is_replaced_by_it() {
        let path = std::env::var("PATH").unwrap();
        assert_eq!(filled("Bearer $PATH"), format!("Bearer {path}"));
        assert_eq!(filled("costs $5 or $NOTHING_OF_THE_KIND"), "costs $5 or $NOTHING_OF_THE_KIND");
    }
}
