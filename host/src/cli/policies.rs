use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::host::labels;

/// What a job says of its firings, its tasks and its history, as a person reads it.
#[derive(Deserialize)]
pub(super) struct Policies {
    after: Option<After>,
    overlap: Option<String>,
    queue_max: Option<u32>,
    catch_up: Option<String>,
    catch_up_max: Option<u32>,
    catch_up_within: Option<String>,
    jitter: Option<String>,
    start_deadline: Option<String>,
    pause_after_failures: Option<u32>,
    retention: Option<Retention>,
    on_upgrade: Option<String>,
    tasks: Option<u32>,
    interval_timeout: Option<String>,
    max_failed: Option<Value>,
    rate_limit: Option<f64>,
    priority: Option<i32>,
    retry: Option<Retry>,
    #[serde(default)]
    requires: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct After {
    job: String,
    on: String,
}

#[derive(Deserialize)]
struct Retention {
    intervals: Option<u32>,
    days: Option<u32>,
}

#[derive(Deserialize)]
struct Retry {
    max_attempts: u32,
    backoff: String,
    factor: f32,
    max_backoff: String,
}

impl Policies {
    /// Those that the job has, and of those that every job has the ones that are not nothing.
    pub(super) fn fields(self) -> Vec<(&'static str, Option<String>)> {
        let waiting = self.queue_max.map(|max| format!("at most {max} wait"));
        let caught_up = self.catch_up_max.map(|max| format!("at most {max}"));
        let age = self.catch_up_within.map(|within| format!("none older than {within}"));
        vec![
            ("tasks", self.tasks.map(|tasks| tasks.to_string())),
            ("after", self.after.map(|After { job, on }| format!("{on} of job {job}"))),
            ("overlap", joined([self.overlap, waiting])),
            ("catch up", joined([self.catch_up, caught_up, age])),
            ("jitter", self.jitter.filter(|jitter| jitter != "0s")),
            ("start deadline", self.start_deadline),
            ("paused after", self.pause_after_failures.map(|count| format!("{count} failed in a row"))),
            ("kept", self.retention.and_then(Retention::text)),
            ("on upgrade", self.on_upgrade),
            ("interval timeout", self.interval_timeout),
            ("max failed", self.max_failed.map(|max| max.as_str().map_or_else(|| max.to_string(), str::to_owned))),
            ("rate limit", self.rate_limit.map(|rate| format!("{rate} a second"))),
            ("priority", self.priority.filter(|priority| *priority != 0).map(|priority| priority.to_string())),
            ("retry", self.retry.map(Retry::text)),
            ("requires", Some(labels(&self.requires)).filter(|labels| !labels.is_empty())),
        ]
    }
}

impl Retention {
    fn text(self) -> Option<String> {
        let intervals = self.intervals.map(|count| format!("the latest {count} intervals"));
        let days = self.days.map(|days| format!("for {days} days"));
        joined([intervals, days])
    }
}

impl Retry {
    fn text(self) -> String {
        let Self { max_attempts, backoff, factor, max_backoff } = self;
        if max_attempts == 1 {
            return "none".to_owned();
        }
        format!(
            "{max_attempts} attempts, the first wait {backoff}, each further one {factor} times longer, to {max_backoff}"
        )
    }
}

/// What there is of a few parts.
fn joined<const N: usize>(parts: [Option<String>; N]) -> Option<String> {
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}
