//! A job as clients see it.

use super::grants_view::GrantsView;
use super::rules_view::{RulesView, ScheduleView};
use crate::domain::cron::{DstFold, DstGap};
use crate::domain::human_duration;
use crate::domain::job::{Counts, Job, JobStatus, MaxFailed, WorkSpec};
use crate::domain::labels::Labels;
use crate::domain::retry::RetryPolicy;
use crate::domain::rules::AfterEnd;
use crate::domain::timestamp::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

#[derive(Serialize)]
pub(super) struct JobView {
    id: String,
    workspace_id: String,
    name: String,
    plugin: String,
    payload: Box<RawValue>,
    #[serde(rename = "type")]
    kind: &'static str,
    interval: Option<String>,
    cron: Option<String>,
    timezone: Option<&'static str>,
    dst_gap: Option<DstGap>,
    dst_fold: Option<DstFold>,
    at: Option<String>,
    after: Option<AfterView>,
    #[serde(flatten)]
    rules: RulesView,
    tasks: Option<u32>,
    status: &'static str,
    pause_reason: Option<String>,
    failures_in_a_row: u32,
    warning: Option<String>,
    enable_recovery: bool,
    max_parallel: u32,
    timeout: String,
    interval_timeout: Option<String>,
    memory_limit_bytes: u64,
    key_limit_bytes: u64,
    cpu_limit: String,
    output_limit_bytes: u64,
    log_limit_bytes: u64,
    checkpoint_limit_bytes: u64,
    handle_limit: u32,
    random_limit_bytes: u64,
    http_body_limit_bytes: u64,
    warm_calls: u32,
    weight: u32,
    max_failed: Option<MaxFailedView>,
    rate_limit: Option<f64>,
    priority: i32,
    retry: RetryView,
    grants: GrantsView,
    requires: Labels,
    current_interval_id: Option<String>,
    interval_progress: Option<Counts>,
    interval_started_at: Option<String>,
    next_fire_at: Option<String>,
    created_at: String,
    updated_at: String,
}

#[derive(Serialize)]
struct RetryView {
    max_attempts: u32,
    backoff: String,
    factor: f32,
    max_backoff: String,
    jitter: bool,
}

#[derive(Serialize)]
struct AfterView {
    job: String,
    on: AfterEnd,
}

/// As it is written in a request: `10`, or `"5%"`.
#[derive(Serialize)]
#[serde(untagged)]
enum MaxFailedView {
    Count(u32),
    Share(String),
}

impl From<Job> for JobView {
    fn from(job: Job) -> Self {
        let Job { id, spec, current_interval, status, failures_in_a_row, warning, next, created_at, updated_at } = job;
        let schedule = ScheduleView::from(&spec.schedule);
        let WorkSpec { payload, tasks, policy, grants, requires } = spec.work;
        let (status, pause_reason) = match status {
            JobStatus::Active => ("active", None),
            JobStatus::Paused { reason } => ("paused", Some(reason)),
        };
        Self {
            id: id.to_string(),
            workspace_id: spec.workspace_id,
            name: spec.name,
            plugin: spec.plugin,
            payload: RawValue::from_string(payload).unwrap_or_else(|_| RawValue::NULL.to_owned()),
            kind: schedule.kind,
            interval: schedule.interval,
            cron: schedule.cron,
            timezone: schedule.timezone,
            dst_gap: schedule.dst.map(|dst| dst.gap),
            dst_fold: schedule.dst.map(|dst| dst.fold),
            at: schedule.at,
            after: spec.after.map(|after| AfterView { job: after.job.to_string(), on: after.end }),
            rules: spec.rules.into(),
            tasks,
            status,
            failures_in_a_row,
            warning,
            enable_recovery: spec.enable_recovery,
            max_parallel: policy.max_parallel,
            timeout: human_duration::format(policy.timeout),
            interval_timeout: policy.interval_timeout.map(human_duration::format),
            memory_limit_bytes: policy.memory_bytes_max,
            key_limit_bytes: policy.key_bytes_max,
            cpu_limit: human_duration::format(policy.limits.cpu_max),
            output_limit_bytes: policy.limits.output_bytes_max,
            log_limit_bytes: policy.limits.log_bytes_max,
            checkpoint_limit_bytes: policy.limits.checkpoint_bytes_max,
            handle_limit: policy.limits.handles_max,
            random_limit_bytes: policy.limits.random_bytes_max,
            http_body_limit_bytes: policy.limits.http_body_bytes_max,
            warm_calls: policy.warm_calls,
            weight: policy.weight,
            max_failed: policy.max_failed.map(MaxFailedView::from),
            rate_limit: policy.rate_limit,
            priority: policy.priority,
            retry: policy.retry.into(),
            grants: grants.into(),
            requires,
            current_interval_id: current_interval.as_ref().map(|current| current.id.to_string()),
            interval_progress: current_interval.as_ref().map(|current| current.progress.unwrap_or_default()),
            interval_started_at: current_interval
                .and_then(|current| current.started_at)
                .as_ref()
                .map(Timestamp::to_string),
            // A paused job keeps it, to know what passed; it is not going to be fired.
            next_fire_at: next.filter(|_| pause_reason.is_none()).map(|next| next.fire_at.to_string()),
            pause_reason,
            created_at: created_at.to_string(),
            updated_at: updated_at.to_string(),
        }
    }
}

impl JobView {
    /// Says what else there is to know, such as why nothing of the job can run just now, beside what it is warned about
    /// itself.
    pub(super) fn with_warnings(self, warnings: impl Iterator<Item = String>) -> Self {
        let warnings: Vec<_> = warnings.chain(self.warning).collect();
        Self { warning: (!warnings.is_empty()).then(|| warnings.join("; ")), ..self }
    }
}

impl From<RetryPolicy> for RetryView {
    fn from(retry: RetryPolicy) -> Self {
        Self {
            max_attempts: retry.max_attempts,
            backoff: human_duration::format(retry.backoff),
            factor: retry.factor,
            max_backoff: human_duration::format(retry.max_backoff),
            jitter: retry.jitter,
        }
    }
}

impl From<MaxFailed> for MaxFailedView {
    fn from(max: MaxFailed) -> Self {
        match max {
            MaxFailed::Count(count) => Self::Count(count),
            // Rounded, as 0.07 * 100 is not 7: what is shown can be sent back.
            MaxFailed::Share(share) => Self::Share(format!("{}%", (share * 1e9).round() / 1e7)),
        }
    }
}
