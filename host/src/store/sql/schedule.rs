//! The columns of a job that say when it fires.

use super::Row;
use super::rows::{instant, number, to_word, word};
use crate::domain::cron::{CronSchedule, DstRules};
use crate::domain::schedule::{Period, Schedule};
use crate::store::{Result, StoreError};
use sqlx::Row as _;
use std::time::Duration;

/// What the columns hold; those of other kinds of schedule are null.
#[derive(Default)]
pub(super) struct ScheduleColumns<'a> {
    pub(super) kind: &'static str,
    pub(super) period_ms: Option<i64>,
    pub(super) anchor_at: Option<i64>,
    pub(super) cron: Option<&'a str>,
    pub(super) timezone: Option<&'a str>,
    pub(super) dst_gap: Option<String>,
    pub(super) dst_fold: Option<String>,
    pub(super) once_at: Option<i64>,
}

impl<'a> From<&'a Schedule> for ScheduleColumns<'a> {
    fn from(schedule: &'a Schedule) -> Self {
        match schedule {
            Schedule::Every { period, anchor } => Self {
                kind: "interval",
                period_ms: Some(i64::try_from(period.every().as_millis()).unwrap_or(i64::MAX)),
                anchor_at: Some(anchor.ms()),
                ..Self::default()
            },
            Schedule::Cron(cron) => Self {
                kind: "cron",
                cron: Some(cron.expression()),
                timezone: Some(cron.timezone()),
                dst_gap: Some(to_word(&cron.dst().gap)),
                dst_fold: Some(to_word(&cron.dst().fold)),
                ..Self::default()
            },
            Schedule::Once { at } => Self { kind: "once", once_at: Some(at.ms()), ..Self::default() },
            Schedule::Manual => Self { kind: "manual", ..Self::default() },
        }
    }
}

pub(super) fn read(row: &Row) -> Result<Schedule> {
    let kind: String = row.try_get("type")?;
    let unreadable = |error| StoreError::unreadable("schedule", error);
    match kind.as_str() {
        "interval" => {
            let period = Period::new(Duration::from_millis(number(row, "period_ms")?)).map_err(unreadable)?;
            Ok(Schedule::Every { period, anchor: instant(row, "anchor_at")? })
        }
        "cron" => {
            let (cron, timezone): (String, String) = (row.try_get("cron")?, row.try_get("timezone")?);
            let dst = DstRules { gap: word(row, "dst_gap")?, fold: word(row, "dst_fold")? };
            Ok(Schedule::Cron(CronSchedule::new(&cron, &timezone, dst).map_err(unreadable)?))
        }
        "once" => Ok(Schedule::Once { at: instant(row, "once_at")? }),
        _ => Ok(Schedule::Manual),
    }
}
