//! When a job fires.

use super::super::error::ApiError;
use super::{CreateJob, duration};
use crate::domain::schedule::{CronSchedule, DstRules, Period, Schedule, ScheduleError};
use crate::domain::timestamp::Timestamp;
use serde::Deserialize;

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum JobType {
    Interval,
    Cron,
    Once,
    Manual,
}

impl CreateJob {
    pub(super) fn schedule(&self, now: Timestamp) -> Result<Schedule, ApiError> {
        self.refuse_fields_of_other_types()?;
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
                let dst = DstRules { gap: self.dst_gap.unwrap_or_default(), fold: self.dst_fold.unwrap_or_default() };
                let cron = CronSchedule::new(text, self.timezone.as_deref().unwrap_or("UTC"), dst);
                cron.map(Schedule::Cron).map_err(|error| match error {
                    ScheduleError::TimeZone(_) => ApiError::invalid("timezone", error),
                    _ => ApiError::invalid("cron", error),
                })
            }
            JobType::Once => {
                const NEEDED: &str = "a job of type once needs an instant to come: 2030-01-31T12:00:00Z";
                let at = self.at.as_deref().and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok());
                let at: Option<Timestamp> = at.map(|at| at.to_utc().into());
                let at = at.filter(|at| *at > now).ok_or_else(|| ApiError::invalid("at", NEEDED))?;
                Ok(Schedule::Once { at })
            }
        }
    }

    fn refuse_fields_of_other_types(&self) -> Result<(), ApiError> {
        let fields = [
            ("interval", self.interval.is_some(), JobType::Interval),
            ("cron", self.cron.is_some(), JobType::Cron),
            ("timezone", self.timezone.is_some(), JobType::Cron),
            ("dst_gap", self.dst_gap.is_some(), JobType::Cron),
            ("dst_fold", self.dst_fold.is_some(), JobType::Cron),
            ("at", self.at.is_some(), JobType::Once),
        ];
        match fields.iter().find(|(_, is_given, kind)| *is_given && *kind != self.kind) {
            Some((field, ..)) => Err(ApiError::invalid(*field, "does not go with this `type` of job")),
            None => Ok(()),
        }
    }
}
