//! The next firings of a schedule that no job has yet.

use super::AppState;
use super::error::{ApiError, ApiResult};
use super::extract::Parameters;
use super::job_request::{JobType, ScheduleFields, instant};
use crate::domain::cron::{DstFold, DstGap};
use crate::domain::preview::{Preview, PreviewedFiring, SkippedTimes};
use axum::Json;
use axum::extract::State;
use chrono::SecondsFormat;
use serde::{Deserialize, Serialize};

/// How many firings are listed where the request does not say.
const COUNT_DEFAULT: usize = 10;

/// The most firings that are listed.
const COUNT_MAX: usize = 1_000;

/// The schedule, as a job's body writes it. Without a type, the type is that of the field that is given.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    #[serde(rename = "type")]
    kind: Option<JobType>,
    interval: Option<String>,
    cron: Option<String>,
    timezone: Option<String>,
    dst_gap: Option<DstGap>,
    dst_fold: Option<DstFold>,
    at: Option<String>,
    from: Option<String>,
    count: Option<usize>,
}

#[derive(Serialize)]
pub(super) struct PreviewView {
    firings: Vec<FiringView>,
    skipped: Vec<SkippedView>,
}

#[derive(Serialize)]
struct FiringView {
    at: String,
    local: String,
    clock_change: Option<&'static str>,
    note: Option<String>,
}

#[derive(Serialize)]
struct SkippedView {
    local: String,
    count: u64,
    note: String,
}

/// Lists the firings after `from`, or after now; the grid of an interval begins there, too.
pub(super) async fn show(
    State(app): State<AppState>,
    Parameters(query): Parameters<Query>,
) -> ApiResult<Json<PreviewView>> {
    const INSTANT: &str = "takes an instant such as 2030-01-31T12:00:00Z";
    let from = query.from.as_deref();
    let from = from.map(|text| instant(text).ok_or_else(|| ApiError::invalid("from", INSTANT))).transpose()?;
    let from = from.unwrap_or_else(|| app.clock.now());
    let count = query.count.unwrap_or(COUNT_DEFAULT);
    if !(1..=COUNT_MAX).contains(&count) {
        return Err(ApiError::invalid("count", format!("takes 1 to {COUNT_MAX}, not {count}")));
    }
    let schedule = query.fields()?.check(from)?;
    Ok(Json(Preview::of(&schedule, from, count).into()))
}

impl Query {
    fn fields(&self) -> Result<ScheduleFields<'_>, ApiError> {
        let implied = match (&self.interval, &self.cron, &self.at) {
            (Some(_), ..) => Some(JobType::Interval),
            (_, Some(_), _) => Some(JobType::Cron),
            (.., Some(_)) => Some(JobType::Once),
            _ => None,
        };
        let kind = self.kind.or(implied);
        Ok(ScheduleFields {
            kind: kind.ok_or_else(|| ApiError::invalid("type", "give `interval`, `cron` or `at`"))?,
            interval: self.interval.as_deref(),
            cron: self.cron.as_deref(),
            timezone: self.timezone.as_deref(),
            dst_gap: self.dst_gap,
            dst_fold: self.dst_fold,
            at: self.at.as_deref(),
        })
    }
}

impl From<Preview> for PreviewView {
    fn from(preview: Preview) -> Self {
        Self {
            firings: preview.firings.into_iter().map(FiringView::from).collect(),
            skipped: preview.skipped.into_iter().map(SkippedView::from).collect(),
        }
    }
}

impl From<PreviewedFiring> for FiringView {
    fn from(firing: PreviewedFiring) -> Self {
        Self {
            at: firing.at.to_string(),
            local: firing.local.to_rfc3339_opts(SecondsFormat::AutoSi, false),
            clock_change: firing.clock_change.map(|change| change.name()),
            note: firing.clock_change.map(|change| change.to_string()),
        }
    }
}

impl From<SkippedTimes> for SkippedView {
    fn from(skipped: SkippedTimes) -> Self {
        let local = skipped.first.format("%Y-%m-%dT%H:%M:%S").to_string();
        Self { local, count: skipped.count, note: skipped.to_string() }
    }
}
