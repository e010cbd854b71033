//! A job as clients see it.

use crate::domain::human_duration;
use crate::domain::job::{Access, Counts, Job};
use crate::domain::schedule::Schedule;
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
    tasks: Option<u32>,
    status: &'static str,
    enable_recovery: bool,
    max_parallel: u32,
    timeout: String,
    memory_limit_bytes: u64,
    retry: RetryView,
    grants: GrantsView,
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
}

#[derive(Serialize)]
struct GrantsView {
    directories: Vec<DirectoryView>,
}

#[derive(Serialize)]
struct DirectoryView {
    path: String,
    mount: String,
    access: Access,
}

impl From<Job> for JobView {
    fn from(job: Job) -> Self {
        let (kind, interval, cron, timezone) = match &job.spec.schedule {
            Schedule::Every { period, .. } => ("interval", Some(human_duration::format(period.every())), None, None),
            Schedule::Cron(cron) => ("cron", None, Some(cron.expression().to_owned()), Some(cron.timezone())),
            Schedule::Manual => ("manual", None, None, None),
        };
        let work = job.spec.work;
        let retry = work.policy.retry;
        let current = job.current_interval;
        Self {
            id: job.id.to_string(),
            workspace_id: job.spec.workspace_id,
            name: job.spec.name,
            plugin: job.spec.plugin,
            payload: RawValue::from_string(work.payload).unwrap_or_else(|_| RawValue::NULL.to_owned()),
            kind,
            interval,
            cron,
            timezone,
            tasks: work.tasks,
            status: "active",
            enable_recovery: job.spec.enable_recovery,
            max_parallel: work.policy.max_parallel,
            timeout: human_duration::format(work.policy.timeout),
            memory_limit_bytes: work.policy.memory_bytes_max,
            retry: RetryView {
                max_attempts: retry.max_attempts,
                backoff: human_duration::format(retry.backoff),
                factor: retry.factor,
                max_backoff: human_duration::format(retry.max_backoff),
            },
            grants: GrantsView {
                directories: work
                    .grants
                    .directories
                    .into_iter()
                    .map(|grant| DirectoryView {
                        path: grant.path.display().to_string(),
                        mount: grant.mount,
                        access: grant.access,
                    })
                    .collect(),
            },
            current_interval_id: current.as_ref().map(|current| current.id.to_string()),
            interval_progress: current.as_ref().map(|current| current.progress.unwrap_or_default()),
            interval_started_at: current.and_then(|current| current.started_at).as_ref().map(Timestamp::to_string),
            next_fire_at: job.next_fire_at.as_ref().map(Timestamp::to_string),
            created_at: job.created_at.to_string(),
            updated_at: job.updated_at.to_string(),
        }
    }
}
