//! How a job's firings become intervals.

use super::super::error::ApiError;
use super::{CreateJob, duration, positive_duration, within};
use crate::domain::rules::{After, AfterEnd, CATCH_UP_MAX, CatchUp, JobRules, Overlap, QUEUE_MAX, Retention};
use serde::Deserialize;

/// How many firings wait where the job does not say.
const QUEUE_DEFAULT: u32 = 1;

/// How many missed firings are made up for where the job does not say.
const CATCH_UP_DEFAULT: u32 = 100;

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum OverlapWord {
    Skip,
    Queue,
    Allow,
    CancelRunning,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum CatchUpWord {
    None,
    Latest,
    All,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RetentionRequest {
    intervals: Option<u32>,
    days: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AfterRequest {
    job: String,
    on: AfterEnd,
}

impl CreateJob {
    pub(super) fn rules(&self) -> Result<JobRules, ApiError> {
        let start_deadline = self.start_deadline.as_deref();
        Ok(JobRules {
            overlap: self.overlap()?,
            catch_up: self.catch_up()?,
            jitter: self.jitter.as_deref().map(|text| duration("jitter", text)).transpose()?.unwrap_or_default(),
            start_deadline: start_deadline.map(|text| positive_duration("start_deadline", text)).transpose()?,
            pause_after_failures: at_least_one("pause_after_failures", self.pause_after_failures)?,
            retention: self.retention.as_ref().map(RetentionRequest::check).transpose()?.unwrap_or_default(),
            on_upgrade: self.on_upgrade.unwrap_or_default(),
        })
    }

    pub(super) fn after(&self) -> Result<Option<After>, ApiError> {
        let Some(AfterRequest { job, on }) = &self.after else { return Ok(None) };
        let job = job.parse().map_err(|_| ApiError::invalid("after.job", format!("`{job}` is no job's id")))?;
        Ok(Some(After { job, end: *on }))
    }

    fn overlap(&self) -> Result<Overlap, ApiError> {
        if self.queue_max.is_some() && self.overlap != Some(OverlapWord::Queue) {
            return Err(ApiError::invalid("queue_max", "goes with \"overlap\": \"queue\" only"));
        }
        match self.overlap {
            None => Ok(Overlap::default()),
            Some(OverlapWord::Skip) => Ok(Overlap::Skip),
            Some(OverlapWord::Allow) => Ok(Overlap::Allow),
            Some(OverlapWord::CancelRunning) => Ok(Overlap::CancelRunning),
            Some(OverlapWord::Queue) => {
                let max = within("queue_max", self.queue_max.unwrap_or(QUEUE_DEFAULT), 1..=QUEUE_MAX)?;
                Ok(Overlap::Queue { max })
            }
        }
    }

    fn catch_up(&self) -> Result<CatchUp, ApiError> {
        let bounds =
            [("catch_up_max", self.catch_up_max.is_some()), ("catch_up_within", self.catch_up_within.is_some())];
        if let Some((field, _)) =
            bounds.iter().find(|(_, is_given)| *is_given && self.catch_up != Some(CatchUpWord::All))
        {
            return Err(ApiError::invalid(*field, "goes with \"catch_up\": \"all\" only"));
        }
        match self.catch_up {
            None => Ok(CatchUp::default()),
            Some(CatchUpWord::None) => Ok(CatchUp::None),
            Some(CatchUpWord::Latest) => Ok(CatchUp::Latest),
            Some(CatchUpWord::All) => {
                let max = within("catch_up_max", self.catch_up_max.unwrap_or(CATCH_UP_DEFAULT), 1..=CATCH_UP_MAX)?;
                let span = self.catch_up_within.as_deref();
                let within = span.map(|text| positive_duration("catch_up_within", text)).transpose()?;
                Ok(CatchUp::All { max, within })
            }
        }
    }
}

impl RetentionRequest {
    fn check(&self) -> Result<Retention, ApiError> {
        Ok(Retention {
            intervals: at_least_one("retention.intervals", self.intervals)?,
            days: at_least_one("retention.days", self.days)?,
        })
    }
}

fn at_least_one(field: &str, number: Option<u32>) -> Result<Option<u32>, ApiError> {
    number.map(|number| within(field, number, 1..=u32::MAX)).transpose()
}
