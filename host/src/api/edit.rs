//! `PATCH /jobs/{id}`: a merge patch over the request that would create the job as it is.

use super::AppState;
use super::error::{ApiError, ApiResult};
use super::extract::{Body, InPath, as_body, id, not_found};
use super::job_request::{CreateJob, HostRules};
use super::job_view::JobView;
use super::jobs::{check_surroundings, view};
use super::merge_patch::{self, Members};
use super::operations::{known_job, skipped_firings};
use crate::domain::job::{Job, JobSpec};
use crate::domain::pausing::passed;
use crate::domain::timestamp::Timestamp;
use crate::store::{Edited, JobEdit, Rescheduling};
use axum::Json;
use axum::extract::State;
use std::time::Duration;

/// The fields that create a job. The other ones of a job are the host's, and no patch changes them.
const FIELDS: [&str; 44] = [
    "name",
    "workspace_id",
    "plugin",
    "payload",
    "enable_recovery",
    "tasks",
    "grants",
    "requires",
    "type",
    "interval",
    "cron",
    "timezone",
    "dst_gap",
    "dst_fold",
    "at",
    "after",
    "overlap",
    "queue_max",
    "catch_up",
    "catch_up_max",
    "catch_up_within",
    "jitter",
    "start_deadline",
    "pause_after_failures",
    "retention",
    "on_upgrade",
    "max_parallel",
    "timeout",
    "interval_timeout",
    "memory_limit_bytes",
    "key_limit_bytes",
    "cpu_limit",
    "output_limit_bytes",
    "log_limit_bytes",
    "checkpoint_limit_bytes",
    "handle_limit",
    "random_limit_bytes",
    "http_body_limit_bytes",
    "warm_calls",
    "weight",
    "max_failed",
    "rate_limit",
    "priority",
    "retry",
];

/// Those that say when it fires.
const SCHEDULE: [&str; 7] = ["type", "interval", "cron", "timezone", "dst_gap", "dst_fold", "at"];

/// Fields that belong to a choice, and go with it when another is made.
const DETAILS: [(&str, &[&str]); 3] = [
    ("type", &["interval", "cron", "timezone", "dst_gap", "dst_fold", "at"]),
    ("overlap", &["queue_max"]),
    ("catch_up", &["catch_up_max", "catch_up_within"]),
];

/// Changes a job; its open intervals go on as they began.
pub(super) async fn edit(
    State(app): State<AppState>,
    path: InPath<String>,
    Body(patch): Body<Members>,
) -> ApiResult<Json<JobView>> {
    let kept = known_job(&app, id("job", path)?).await?;
    let edit = changed(&kept, patch, &app.host_rules(), app.clock.now())?;
    check_surroundings(&app, &edit.job.spec).await?;
    match app.store.edit_job(&edit).await? {
        Edited::Done => {}
        Edited::Unknown => return Err(not_found("job", kept.id)),
        Edited::Outdated => return Err(ApiError::Outdated(kept.id)),
        Edited::Refused(error) => return Err(ApiError::invalid("after.job", error)),
    }
    app.wakeups.scheduler.nudge_everywhere();
    Ok(Json(view(&app, known_job(&app, kept.id).await?).await?))
}

fn changed(kept: &Job, patch: Members, host: &HostRules, now: Timestamp) -> ApiResult<JobEdit> {
    if let Some(unknown) = patch.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(ApiError::invalid(unknown, "is no field that a job is created with, so it cannot be changed"));
    }
    let before = request(kept);
    let mut after = before.clone();
    for (choice, details) in DETAILS {
        if patch.get(choice).is_some_and(|value| before.get(choice).is_none_or(|kept| kept.get() != value.get())) {
            details.iter().for_each(|detail| drop(after.remove(*detail)));
        }
    }
    merge_patch::apply(&mut after, patch).map_err(|error| ApiError::BadRequest(format!("the patch {error}")))?;
    let is_same = |name: &&str| before.get(*name).map(|value| value.get()) == after.get(*name).map(|value| value.get());
    let (same_schedule, same_jitter) = (SCHEDULE.iter().all(is_same), is_same(&"jitter"));
    let body: CreateJob = as_body(merge_patch::text(&after).get())?;
    let spec = if same_schedule {
        // As it is: the grid keeps its beginning, and a job for one instant may have passed it.
        body.into_spec_on(kept.spec.schedule.clone(), host)?
    } else {
        body.into_spec(host, now)?
    };
    let timing = if same_schedule && same_jitter { Timing::Same } else { Timing::Other };
    Ok(edit_of(kept, spec, timing, now))
}

/// Whether a change leaves a job's firings when they were.
enum Timing {
    Same,
    Other,
}

fn edit_of(kept: &Job, spec: JobSpec, timing: Timing, now: Timestamp) -> JobEdit {
    // Later than before, whatever the clock says: it tells one state of the job from the next.
    let updated_at = now.max(kept.updated_at + Duration::from_millis(1));
    let mut job = Job { spec, updated_at, ..kept.clone() };
    let rescheduling = match timing {
        Timing::Same => Rescheduling::Kept,
        Timing::Other => {
            job.next = job.next_firing(now);
            let skipped = passed(kept, now).map(|passed| {
                let reason = format!("{passed} had not been fired when the job's schedule was changed");
                skipped_firings(passed, reason, now)
            });
            Rescheduling::Changed { skipped }
        }
    };
    JobEdit { job, was_updated_at: kept.updated_at, rescheduling }
}

/// The request that would create the job as it is.
fn request(job: &Job) -> Members {
    let view = serde_json::to_string(&JobView::from(job.clone())).expect("a view is JSON");
    let mut members: Members = serde_json::from_str(&view).expect("a view is an object");
    members.retain(|name, value| FIELDS.contains(&name.as_str()) && value.get() != "null");
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_those_of_the_request_that_creates_a_job() {
        let error = serde_json::from_str::<CreateJob>(r#"{"?":0}"#).err().unwrap().to_string();
        let named: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
        let mut fields = FIELDS.to_vec();
        fields.sort_unstable();
        let mut expected = named;
        expected.sort_unstable();
        assert_eq!(fields, expected, "{error}");
    }
}
