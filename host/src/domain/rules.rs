//! How a job's firings become intervals, and what becomes of those.

use super::ids::JobId;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The most firings that wait behind an open interval.
pub const QUEUE_MAX: u32 = 1_000;

/// The most missed firings that are made up for.
pub const CATCH_UP_MAX: u32 = 1_000;

/// What a job's author says about its firings. Rows that say nothing of a rule have its default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobRules {
    /// What a firing does that finds an interval of the job open.
    pub overlap: Overlap,
    /// What becomes of firings that were due while no host looked.
    pub catch_up: CatchUp,
    /// The most by which a firing is delayed, and never until the next one; the same for one firing on every host.
    pub jitter: Duration,
    /// How late a firing may be found and still run; none for as late as it likes.
    pub start_deadline: Option<Duration>,
    /// After how many failed intervals in a row the job is paused; none for never.
    pub pause_after_failures: Option<u32>,
    /// How long ended intervals are kept.
    pub retention: Retention,
    /// What an open interval does when a new version of its plugin is uploaded.
    pub on_upgrade: OnUpgrade,
}

/// What a firing does that finds an interval of the job open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// It is recorded as skipped.
    #[default]
    Skip,
    /// It waits for the open one's end, behind at most `max - 1` others; one more is recorded as skipped.
    Queue {
        /// How many may wait, `1..=QUEUE_MAX`.
        max: u32,
    },
    /// It runs beside the open one.
    Allow,
    /// It runs, and the open ones are cancelled; a firing that is made up for and would be cancelled at once is not
    /// begun.
    CancelRunning,
}

/// What becomes of firings that were due while no host looked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// They are recorded as missed; one that is found within a minute is on time.
    None,
    /// The latest runs in the place of the others.
    #[default]
    Latest,
    /// Each runs, the oldest first and, unless they may overlap, one after another; those beyond the bounds are
    /// recorded as missed.
    All {
        /// At most this many, the latest, `1..=CATCH_UP_MAX`.
        max: u32,
        /// None that was due longer ago than this.
        within: Option<Duration>,
    },
}

/// How long ended intervals are kept, with all that belongs to them. Whatever is beyond either bound goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Retention {
    /// The latest so many; none for any number.
    pub intervals: Option<u32>,
    /// For so many days after their end; none for ever.
    pub days: Option<u32>,
}

/// What an open interval does when a new version of its plugin is uploaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUpgrade {
    /// It ends on the version that it started with.
    #[default]
    Finish,
    /// It is cancelled, and another runs everything on the new version.
    Restart,
}

/// Fires a job at the end of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct After {
    /// The other job.
    pub job: JobId,
    /// At which end of its intervals.
    pub end: AfterEnd,
}

/// At which end of another job's interval a job fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterEnd {
    /// It succeeded.
    Success,
    /// It failed or was abandoned.
    Failure,
    /// Either; a cancelled interval fires nothing.
    Any,
}
