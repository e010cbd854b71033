//! When a job fires.

use super::super::error::ApiError;
use super::{CreateJob, duration};
use crate::domain::cron::{CronSchedule, DstFold, DstGap, DstRules};
use crate::domain::schedule::{Period, Schedule, ScheduleError};
use crate::domain::timestamp::Timestamp;
use serde::Deserialize;

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum JobType {
    Interval,
    Cron,
    Once,
    Manual,
}

/// The fields of a request that say when a job fires.
pub(in super::super) struct ScheduleFields<'a> {
    pub(in super::super) kind: JobType,
    pub(in super::super) interval: Option<&'a str>,
    pub(in super::super) cron: Option<&'a str>,
    pub(in super::super) timezone: Option<&'a str>,
    pub(in super::super) dst_gap: Option<DstGap>,
    pub(in super::super) dst_fold: Option<DstFold>,
    pub(in super::super) at: Option<&'a str>,
}

impl CreateJob {
    pub(super) fn schedule(&self, now: Timestamp) -> Result<Schedule, ApiError> {
        let fields = ScheduleFields {
            kind: self.kind,
            interval: self.interval.as_deref(),
            cron: self.cron.as_deref(),
            timezone: self.timezone.as_deref(),
            dst_gap: self.dst_gap,
            dst_fold: self.dst_fold,
            at: self.at.as_deref(),
        };
        fields.check(now)
    }
}

impl ScheduleFields<'_> {
    /// Checks the fields of a schedule that begins at `now`.
    pub(in super::super) fn check(&self, now: Timestamp) -> Result<Schedule, ApiError> {
        self.refuse_fields_of_other_types()?;
        match self.kind {
            JobType::Manual => Ok(Schedule::Manual),
            JobType::Interval => {
                const NEEDED: &str = "a job of type interval needs it: 30s";
                let text = self.interval.ok_or_else(|| ApiError::invalid("interval", NEEDED))?;
                let period = Period::new(duration("interval", text)?);
                let period = period.map_err(|error| ApiError::invalid("interval", error))?;
                Ok(Schedule::Every { period, anchor: now })
            }
            JobType::Cron => self.cron(now),
            JobType::Once => {
                const NEEDED: &str = "a job of type once needs an instant to come: 2030-01-31T12:00:00Z";
                let at = self.at.and_then(instant).filter(|at| *at > now);
                Ok(Schedule::Once { at: at.ok_or_else(|| ApiError::invalid("at", NEEDED))? })
            }
        }
    }

    fn cron(&self, now: Timestamp) -> Result<Schedule, ApiError> {
        const NEEDED: &str = "a job of type cron needs it: 0 3 * * *";
        let text = self.cron.ok_or_else(|| ApiError::invalid("cron", NEEDED))?;
        let dst = DstRules { gap: self.dst_gap.unwrap_or_default(), fold: self.dst_fold.unwrap_or_default() };
        let cron = CronSchedule::new(text, self.timezone.unwrap_or("UTC"), dst).map_err(|error| match error {
            ScheduleError::TimeZone(_) => ApiError::invalid("timezone", error),
            _ => ApiError::invalid("cron", error),
        });
        let schedule = Schedule::Cron(cron?);
        if schedule.next_after(now).is_none() {
            return Err(ApiError::invalid("cron", format!("`{text}` matches no time to come")));
        }
        Ok(schedule)
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

/// An instant with its offset from UTC.
pub(in super::super) fn instant(text: &str) -> Option<Timestamp> {
    chrono::DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc().into())
}
