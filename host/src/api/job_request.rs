//! The body that creates a job, and its check.

use super::error::ApiError;
use crate::domain::human_duration;
use crate::domain::job::{
    Access, DEFAULT_WORKSPACE, DirectoryGrant, Grants, JobSpec, MAX_PARALLEL_MAX, MEMORY_BYTES_MAX, Policy,
    TIMEOUT_MAX, WorkSpec,
};
use crate::domain::plan::TASKS_MAX;
use crate::domain::retry::RetryPolicy;
use crate::domain::schedule::{CronSchedule, Period, Schedule, ScheduleError};
use crate::domain::timestamp::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// The most characters a job's name or workspace may have.
const NAME_MAX: usize = 255;

/// The most attempts at a task.
const ATTEMPTS_MAX: u32 = 1_000;

/// The least memory of a task: one page of wasm.
const MEMORY_BYTES_MIN: u64 = 64 << 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateJob {
    name: String,
    workspace_id: Option<String>,
    plugin: String,
    payload: Option<Box<RawValue>>,
    #[serde(rename = "type")]
    kind: JobType,
    interval: Option<String>,
    cron: Option<String>,
    timezone: Option<String>,
    enable_recovery: Option<bool>,
    tasks: Option<u32>,
    max_parallel: Option<u32>,
    timeout: Option<String>,
    memory_limit_bytes: Option<u64>,
    retry: Option<RetryRequest>,
    #[serde(default)]
    grants: GrantsRequest,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum JobType {
    Interval,
    Cron,
    Manual,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RetryRequest {
    max_attempts: Option<u32>,
    backoff: Option<String>,
    factor: Option<f32>,
    max_backoff: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct GrantsRequest {
    #[serde(default)]
    directories: Vec<DirectoryRequest>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DirectoryRequest {
    path: PathBuf,
    mount: Option<String>,
    #[serde(default)]
    access: Access,
}

impl CreateJob {
    /// The plugin's name.
    pub(super) fn plugin(&self) -> &str {
        &self.plugin
    }

    /// Checks all fields; the grid of an interval job begins at `now`.
    pub(super) fn into_spec(self, is_recovery_default: bool, now: Timestamp) -> Result<JobSpec, ApiError> {
        check_length("name", &self.name)?;
        let schedule = self.schedule(now)?;
        let policy = self.policy()?;
        if let Some(tasks) = self.tasks {
            within("tasks", tasks, 0..=TASKS_MAX)?;
        }
        let workspace_id = self.workspace_id.unwrap_or_else(|| DEFAULT_WORKSPACE.to_owned());
        check_length("workspace_id", &workspace_id)?;
        Ok(JobSpec {
            name: self.name,
            workspace_id,
            plugin: self.plugin,
            schedule,
            enable_recovery: self.enable_recovery.unwrap_or(is_recovery_default),
            work: WorkSpec {
                payload: self.payload.map_or_else(|| "null".to_owned(), |payload| payload.get().to_owned()),
                tasks: self.tasks,
                policy,
                grants: self.grants.check()?,
            },
        })
    }

    fn schedule(&self, now: Timestamp) -> Result<Schedule, ApiError> {
        let fields = [
            ("interval", self.interval.is_some(), JobType::Interval),
            ("cron", self.cron.is_some(), JobType::Cron),
            ("timezone", self.timezone.is_some(), JobType::Cron),
        ];
        if let Some((field, ..)) = fields.iter().find(|(_, is_given, kind)| *is_given && *kind != self.kind) {
            return Err(ApiError::invalid(*field, "does not go with this `type` of job"));
        }
        match self.kind {
            JobType::Manual => Ok(Schedule::Manual),
            JobType::Interval => {
                let text = self.interval.as_deref();
                let text = text.ok_or_else(|| ApiError::invalid("interval", "a job of type interval needs it: 30s"))?;
                let period = Period::new(duration("interval", text)?);
                let period = period.map_err(|error| ApiError::invalid("interval", error))?;
                Ok(Schedule::Every { period, anchor: now })
            }
            JobType::Cron => {
                let text = self.cron.as_deref();
                let text = text.ok_or_else(|| ApiError::invalid("cron", "a job of type cron needs it: 0 3 * * *"))?;
                let cron = CronSchedule::new(text, self.timezone.as_deref().unwrap_or("UTC"));
                cron.map(Schedule::Cron).map_err(|error| match error {
                    ScheduleError::TimeZone(_) => ApiError::invalid("timezone", error),
                    _ => ApiError::invalid("cron", error),
                })
            }
        }
    }

    fn policy(&self) -> Result<Policy, ApiError> {
        let mut policy = Policy::default();
        if let Some(lanes) = self.max_parallel {
            policy.max_parallel = within("max_parallel", lanes, 1..=MAX_PARALLEL_MAX)?;
        }
        if let Some(text) = &self.timeout {
            policy.timeout = duration("timeout", text)?;
            if policy.timeout.is_zero() || policy.timeout > TIMEOUT_MAX {
                return Err(ApiError::invalid("timeout", "takes more than 0s and at most 24h"));
            }
        }
        if let Some(bytes) = self.memory_limit_bytes {
            policy.memory_bytes_max = within("memory_limit_bytes", bytes, MEMORY_BYTES_MIN..=MEMORY_BYTES_MAX)?;
        }
        if let Some(retry) = &self.retry {
            policy.retry = retry.check(policy.retry)?;
        }
        Ok(policy)
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
        if policy.max_backoff < policy.backoff {
            return Err(ApiError::invalid("retry.max_backoff", "is shorter than retry.backoff"));
        }
        Ok(policy)
    }
}

impl GrantsRequest {
    fn check(self) -> Result<Grants, ApiError> {
        let mut directories: Vec<DirectoryGrant> = Vec::new();
        for DirectoryRequest { path, mount, access } in self.directories {
            let mount = mount.unwrap_or_else(|| path.display().to_string());
            if !path.is_absolute() || !mount.starts_with('/') {
                return Err(ApiError::invalid("grants.directories", "`path` and `mount` are absolute paths"));
            }
            if directories.iter().any(|other| other.mount == mount) {
                return Err(ApiError::invalid("grants.directories", format!("`{mount}` is mounted twice")));
            }
            directories.push(DirectoryGrant { path, mount, access });
        }
        Ok(Grants { directories })
    }
}

fn duration(field: &str, text: &str) -> Result<Duration, ApiError> {
    human_duration::parse(text).map_err(|error| ApiError::invalid(field, error))
}

fn within<T: PartialOrd + std::fmt::Display>(field: &str, value: T, range: RangeInclusive<T>) -> Result<T, ApiError> {
    if range.contains(&value) {
        return Ok(value);
    }
    Err(ApiError::invalid(field, format!("takes {} to {}, not {value}", range.start(), range.end())))
}

fn check_length(field: &str, text: &str) -> Result<(), ApiError> {
    if !text.trim().is_empty() && text.chars().count() <= NAME_MAX {
        return Ok(());
    }
    Err(ApiError::invalid(field, format!("takes 1 to {NAME_MAX} characters")))
}
