//! The body that creates a job, and its check.

mod grants;
mod limits;
mod policy;
mod rules;
mod schedule;

use super::error::ApiError;
use crate::domain::ceilings::Ceilings;
use crate::domain::cron::{DstFold, DstGap};
use crate::domain::human_duration;
use crate::domain::job::{DEFAULT_WORKSPACE, JobSpec, WorkSpec};
use crate::domain::labels::Labels;
use crate::domain::plan::TASKS_MAX;
use crate::domain::rules::OnUpgrade;
use crate::domain::schedule::Schedule;
use crate::domain::timestamp::Timestamp;
use grants::GrantsRequest;
pub(super) use grants::check_variable;
use policy::{MaxFailedRequest, RetryRequest};
use rules::{AfterRequest, CatchUpWord, OverlapWord, RetentionRequest};
pub(super) use schedule::{JobType, ScheduleFields, instant};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The most characters a job's name or workspace may have.
const NAME_MAX: usize = 255;

/// One flat object: a field that no part knows is refused by name. The modules beside check a part each.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateJob {
    name: String,
    workspace_id: Option<String>,
    plugin: String,
    payload: Option<Box<RawValue>>,
    enable_recovery: Option<bool>,
    tasks: Option<u32>,
    #[serde(default)]
    grants: GrantsRequest,
    #[serde(default)]
    requires: Labels,

    #[serde(rename = "type")]
    kind: JobType,
    interval: Option<String>,
    cron: Option<String>,
    timezone: Option<String>,
    dst_gap: Option<DstGap>,
    dst_fold: Option<DstFold>,
    at: Option<String>,

    after: Option<AfterRequest>,
    overlap: Option<OverlapWord>,
    queue_max: Option<u32>,
    catch_up: Option<CatchUpWord>,
    catch_up_max: Option<u32>,
    catch_up_within: Option<String>,
    jitter: Option<String>,
    start_deadline: Option<String>,
    pause_after_failures: Option<u32>,
    retention: Option<RetentionRequest>,
    on_upgrade: Option<OnUpgrade>,

    max_parallel: Option<u32>,
    timeout: Option<String>,
    interval_timeout: Option<String>,
    memory_limit_bytes: Option<u64>,
    key_limit_bytes: Option<u64>,
    cpu_limit: Option<String>,
    output_limit_bytes: Option<u64>,
    log_limit_bytes: Option<u64>,
    checkpoint_limit_bytes: Option<u64>,
    handle_limit: Option<u32>,
    random_limit_bytes: Option<u64>,
    http_body_limit_bytes: Option<u64>,
    warm_calls: Option<u32>,
    weight: Option<u32>,
    max_failed: Option<MaxFailedRequest>,
    rate_limit: Option<f64>,
    priority: Option<i32>,
    retry: Option<RetryRequest>,
}

/// What the host says of jobs: where they are silent, and how far they may go.
#[derive(Clone, Copy)]
pub(super) struct HostRules {
    pub(super) enable_recovery: bool,
    pub(super) ceilings: Ceilings,
}

impl CreateJob {
    /// Checks all fields; the grid of an interval job begins at `now`.
    pub(super) fn into_spec(self, host: &HostRules, now: Timestamp) -> Result<JobSpec, ApiError> {
        let schedule = self.schedule(now)?;
        self.into_spec_on(schedule, host)
    }

    /// Checks all fields but those of the schedule.
    pub(super) fn into_spec_on(self, schedule: Schedule, host: &HostRules) -> Result<JobSpec, ApiError> {
        check_length("name", &self.name)?;
        let (rules, policy, after) = (self.rules()?, self.policy(&host.ceilings)?, self.after()?);
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
            after,
            rules,
            enable_recovery: self.enable_recovery.unwrap_or(host.enable_recovery),
            work: WorkSpec {
                payload: self.payload.map_or_else(|| "null".to_owned(), |payload| payload.get().to_owned()),
                tasks: self.tasks,
                policy,
                grants: self.grants.check()?,
                requires: self.requires,
            },
        })
    }
}

fn duration(field: &str, text: &str) -> Result<Duration, ApiError> {
    human_duration::parse(text).map_err(|error| ApiError::invalid(field, error))
}

/// A span that is longer than nothing.
fn positive_duration(field: &str, text: &str) -> Result<Duration, ApiError> {
    let span = duration(field, text)?;
    if span.is_zero() { Err(ApiError::invalid(field, "takes more than 0s")) } else { Ok(span) }
}

fn within<T: PartialOrd + std::fmt::Display>(field: &str, value: T, range: RangeInclusive<T>) -> Result<T, ApiError> {
    if range.contains(&value) {
        return Ok(value);
    }
    Err(ApiError::invalid(field, format!("takes {} to {}, not {value}", range.start(), range.end())))
}

pub(super) fn check_length(field: &str, text: &str) -> Result<(), ApiError> {
    if !text.trim().is_empty() && text.chars().count() <= NAME_MAX {
        return Ok(());
    }
    Err(ApiError::invalid(field, format!("takes 1 to {NAME_MAX} characters")))
}
