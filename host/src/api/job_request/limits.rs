//! How far a call may go, as far as the host's ceilings let it.

use super::super::error::ApiError;
use super::{CreateJob, duration};
use crate::domain::call_limits::CallLimits;
use crate::domain::ceilings::Ceilings;
use crate::domain::human_duration;
use crate::domain::job::Policy;
use std::fmt::Display;
use std::time::Duration;

/// The most that a host allows, and the setting that says so.
pub(super) struct Ceiling<T> {
    pub(super) max: T,
    pub(super) setting: &'static str,
}

impl CreateJob {
    pub(super) fn limits(&self, ceilings: &Ceilings) -> Result<CallLimits, ApiError> {
        let (mut limits, most) = (ceilings.over(Policy::default()).limits, ceilings.call);
        if let Some(text) = &self.cpu_limit {
            limits.cpu_max = duration("cpu_limit", text)?;
            within_span("cpu_limit", limits.cpu_max, most.cpu_max, "LATCHWORK_TASK_CPU_MAX")?;
        }
        let bytes = |field: &str, wanted: Option<u64>, default: u64, max: u64, setting: &'static str| {
            wanted.map_or(Ok(default), |bytes| below(field, bytes, 0, Ceiling { max, setting }))
        };
        limits.output_bytes_max = bytes(
            "output_limit_bytes",
            self.output_limit_bytes,
            limits.output_bytes_max,
            most.output_bytes_max,
            "LATCHWORK_TASK_OUTPUT_BYTES_MAX",
        )?;
        limits.log_bytes_max = bytes(
            "log_limit_bytes",
            self.log_limit_bytes,
            limits.log_bytes_max,
            most.log_bytes_max,
            "LATCHWORK_TASK_LOG_BYTES_MAX",
        )?;
        limits.checkpoint_bytes_max = bytes(
            "checkpoint_limit_bytes",
            self.checkpoint_limit_bytes,
            limits.checkpoint_bytes_max,
            most.checkpoint_bytes_max,
            "LATCHWORK_TASK_CHECKPOINT_BYTES_MAX",
        )?;
        limits.random_bytes_max = bytes(
            "random_limit_bytes",
            self.random_limit_bytes,
            limits.random_bytes_max,
            most.random_bytes_max,
            "LATCHWORK_TASK_RANDOM_BYTES_MAX",
        )?;
        limits.http_body_bytes_max = bytes(
            "http_body_limit_bytes",
            self.http_body_limit_bytes,
            limits.http_body_bytes_max,
            most.http_body_bytes_max,
            "LATCHWORK_TASK_HTTP_BODY_BYTES_MAX",
        )?;
        if let Some(handles) = self.handle_limit {
            let ceiling = Ceiling { max: most.handles_max, setting: "LATCHWORK_TASK_HANDLES_MAX" };
            limits.handles_max = below("handle_limit", handles, 1, ceiling)?;
        }
        Ok(limits)
    }
}

/// A number from `min` to what the host allows.
pub(super) fn below<T: PartialOrd + Display>(
    field: &str,
    value: T,
    min: T,
    ceiling: Ceiling<T>,
) -> Result<T, ApiError> {
    let Ceiling { max, setting } = ceiling;
    if (&min..=&max).contains(&&value) {
        return Ok(value);
    }
    Err(ApiError::invalid(field, format!("takes {min} to {max}, not {value} ({setting} is what the host allows)")))
}

/// A span that is longer than nothing and no longer than the host allows.
pub(super) fn within_span(field: &str, span: Duration, max: Duration, setting: &str) -> Result<(), ApiError> {
    if !span.is_zero() && span <= max {
        return Ok(());
    }
    let (span, max) = (human_duration::format(span), human_duration::format(max));
    let reason = format!("takes more than 0s and at most {max}, not {span} ({setting} is what the host allows)");
    Err(ApiError::invalid(field, reason))
}
