//! How a job's tasks run.

use super::super::error::ApiError;
use super::limits::{Ceiling, below, within_span};
use super::{CreateJob, duration, positive_duration, within};
use crate::domain::ceilings::Ceilings;
use crate::domain::human_duration;
use crate::domain::job::{MAX_PARALLEL_MAX, MaxFailed, PRIORITIES, Policy, WARM_CALLS_MAX};
use crate::domain::retry::RetryPolicy;
use crate::domain::turns::WEIGHTS;
use serde::Deserialize;

/// The most attempts at a task.
const ATTEMPTS_MAX: u32 = 1_000;

/// The least memory of a task: one page of wasm.
const MEMORY_BYTES_MIN: u64 = 64 << 10;

/// The slowest and the fastest rate: a task in 1,000 seconds, a million in one.
const RATES: std::ops::RangeInclusive<f64> = 0.001..=1e6;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RetryRequest {
    max_attempts: Option<u32>,
    backoff: Option<String>,
    factor: Option<f32>,
    max_backoff: Option<String>,
    jitter: Option<bool>,
}

/// `10`, or `"5%"`.
#[derive(Deserialize)]
#[serde(untagged, expecting = "takes a number, or a share such as \"5%\"")]
pub(super) enum MaxFailedRequest {
    Count(u32),
    Share(String),
}

impl CreateJob {
    pub(super) fn policy(&self, ceilings: &Ceilings) -> Result<Policy, ApiError> {
        let mut policy = ceilings.over(Policy::default());
        policy.limits = self.limits(ceilings)?;
        if let Some(lanes) = self.max_parallel {
            policy.max_parallel = within("max_parallel", lanes, 1..=MAX_PARALLEL_MAX)?;
        }
        if let Some(text) = &self.timeout {
            policy.timeout = duration("timeout", text)?;
            within_span("timeout", policy.timeout, ceilings.timeout, "LATCHWORK_TASK_TIMEOUT_MAX")?;
        }
        if let Some(text) = &self.interval_timeout {
            policy.interval_timeout = Some(positive_duration("interval_timeout", text)?);
        }
        if let Some(bytes) = self.memory_limit_bytes {
            let ceiling = Ceiling { max: ceilings.memory_bytes, setting: "LATCHWORK_TASK_MEMORY_BYTES_MAX" };
            policy.memory_bytes_max = below("memory_limit_bytes", bytes, MEMORY_BYTES_MIN, ceiling)?;
        }
        if let Some(bytes) = self.key_limit_bytes {
            let ceiling = Ceiling { max: ceilings.key_bytes, setting: "LATCHWORK_JOB_KEY_BYTES_MAX" };
            policy.key_bytes_max = below("key_limit_bytes", bytes, 0, ceiling)?;
        }
        policy.max_failed = self.max_failed.as_ref().map(MaxFailedRequest::check).transpose()?;
        policy.rate_limit = self.rate_limit.map(|rate| within("rate_limit", rate, RATES)).transpose()?;
        if let Some(priority) = self.priority {
            policy.priority = within("priority", priority, PRIORITIES)?;
        }
        if let Some(weight) = self.weight {
            policy.weight = within("weight", weight, WEIGHTS)?;
        }
        if let Some(calls) = self.warm_calls {
            policy.warm_calls = within("warm_calls", calls, 0..=WARM_CALLS_MAX)?;
        }
        if let Some(retry) = &self.retry {
            policy.retry = retry.check(policy.retry)?;
        }
        Ok(policy)
    }
}

impl MaxFailedRequest {
    fn check(&self) -> Result<MaxFailed, ApiError> {
        let text = match self {
            Self::Count(count) => return Ok(MaxFailed::Count(*count)),
            Self::Share(text) => text,
        };
        let percent: Option<f64> = text.strip_suffix('%').and_then(|number| number.trim().parse().ok());
        match percent {
            Some(percent) if (0.0..=100.0).contains(&percent) => Ok(MaxFailed::Share(percent / 100.0)),
            _ => Err(ApiError::invalid(
                "max_failed",
                format!("takes a number, or a share of at most \"100%\", such as \"5%\", not `{text}`"),
            )),
        }
    }
}

impl RetryRequest {
    fn check(&self, mut policy: RetryPolicy) -> Result<RetryPolicy, ApiError> {
        if let Some(attempts) = self.max_attempts {
            policy.max_attempts = within("retry.max_attempts", attempts, 1..=ATTEMPTS_MAX)?;
        }
        if let Some(text) = &self.backoff {
            policy.backoff = duration("retry.backoff", text)?;
        }
        if let Some(text) = &self.max_backoff {
            policy.max_backoff = duration("retry.max_backoff", text)?;
        }
        if let Some(factor) = self.factor {
            policy.factor = within("retry.factor", factor, 1.0..=100.0)?;
        }
        if let Some(jitter) = self.jitter {
            policy.jitter = jitter;
        }
        if policy.max_backoff < policy.backoff {
            let (longest, first) = (human_duration::format(policy.max_backoff), human_duration::format(policy.backoff));
            let reason = format!("is {longest}, shorter than retry.backoff, {first}: name a longer one");
            return Err(ApiError::invalid("retry.max_backoff", reason));
        }
        Ok(policy)
    }
}
