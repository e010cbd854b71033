//! When a job fires and how its firings become intervals, as a request writes it.

use crate::domain::cron::DstRules;
use crate::domain::human_duration;
use crate::domain::rules::{CatchUp, JobRules, OnUpgrade, Overlap};
use crate::domain::schedule::Schedule;
use serde::Serialize;

/// The fields of a schedule; those of other kinds are none.
#[derive(Default)]
pub(super) struct ScheduleView {
    pub(super) kind: &'static str,
    pub(super) interval: Option<String>,
    pub(super) cron: Option<String>,
    pub(super) timezone: Option<&'static str>,
    pub(super) dst: Option<DstRules>,
    pub(super) at: Option<String>,
}

#[derive(Serialize)]
pub(super) struct RulesView {
    overlap: &'static str,
    queue_max: Option<u32>,
    catch_up: &'static str,
    catch_up_max: Option<u32>,
    catch_up_within: Option<String>,
    jitter: String,
    start_deadline: Option<String>,
    pause_after_failures: Option<u32>,
    retention: RetentionView,
    on_upgrade: OnUpgrade,
}

#[derive(Serialize)]
struct RetentionView {
    intervals: Option<u32>,
    days: Option<u32>,
}

impl From<&Schedule> for ScheduleView {
    fn from(schedule: &Schedule) -> Self {
        match schedule {
            Schedule::Every { period, .. } => {
                let interval = Some(human_duration::format(period.every()));
                Self { kind: "interval", interval, ..Self::default() }
            }
            Schedule::Cron(cron) => Self {
                kind: "cron",
                cron: Some(cron.expression().to_owned()),
                timezone: Some(cron.timezone()),
                dst: Some(cron.dst()),
                ..Self::default()
            },
            Schedule::Once { at } => Self { kind: "once", at: Some(at.to_string()), ..Self::default() },
            Schedule::Manual => Self { kind: "manual", ..Self::default() },
        }
    }
}

impl From<JobRules> for RulesView {
    fn from(rules: JobRules) -> Self {
        let (overlap, queue_max) = match rules.overlap {
            Overlap::Skip => ("skip", None),
            Overlap::Queue { max } => ("queue", Some(max)),
            Overlap::Allow => ("allow", None),
            Overlap::CancelRunning => ("cancel_running", None),
        };
        let (catch_up, catch_up_max, within) = match rules.catch_up {
            CatchUp::None => ("none", None, None),
            CatchUp::Latest => ("latest", None, None),
            CatchUp::All { max, within } => ("all", Some(max), within),
        };
        Self {
            overlap,
            queue_max,
            catch_up,
            catch_up_max,
            catch_up_within: within.map(human_duration::format),
            jitter: human_duration::format(rules.jitter),
            start_deadline: rules.start_deadline.map(human_duration::format),
            pause_after_failures: rules.pause_after_failures,
            retention: RetentionView { intervals: rules.retention.intervals, days: rules.retention.days },
            on_upgrade: rules.on_upgrade,
        }
    }
}
