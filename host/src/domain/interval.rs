//! One firing of a job.

use super::ids::{IntervalId, JobId};
use super::timestamp::Timestamp;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// How far an interval is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IntervalState {
    /// It has fired and has no plan yet.
    Pending,
    /// It has a plan, and tasks that are not settled.
    Running,
    /// Every task completed.
    Succeeded,
    /// All that could run has run, and a task or the plan failed.
    Failed,
    /// A person ended it.
    Cancelled,
    /// A crash ended it and it was not, or could not be, recovered.
    Abandoned,
    /// It did not run, because of the one before it.
    Skipped,
    /// It did not run, because a later firing ran in its place.
    Coalesced,
    /// It did not run, because it was found too late.
    Missed,
}

const NAMES: [(IntervalState, &str); 9] = [
    (IntervalState::Pending, "pending"),
    (IntervalState::Running, "running"),
    (IntervalState::Succeeded, "succeeded"),
    (IntervalState::Failed, "failed"),
    (IntervalState::Cancelled, "cancelled"),
    (IntervalState::Abandoned, "abandoned"),
    (IntervalState::Skipped, "skipped"),
    (IntervalState::Coalesced, "coalesced"),
    (IntervalState::Missed, "missed"),
];

impl IntervalState {
    /// Whether work is left.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Running)
    }

    /// Whether it is more than the record of a firing that did not run.
    pub fn did_run(self) -> bool {
        !matches!(self, Self::Skipped | Self::Coalesced | Self::Missed)
    }

    /// The name in SQL and JSON.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(state, _)| *state == self).expect("NAMES has every state").1
    }

    /// Returns the state after `event`; the only way an interval changes state.
    pub fn next(self, event: IntervalEvent) -> Result<Self, IllegalTransition> {
        use IntervalEvent::{Abandoned, Cancelled, Ended, PlanFailed, Planned};
        match (self, event) {
            (Self::Pending, Planned) => Ok(Self::Running),
            (Self::Pending, PlanFailed) => Ok(Self::Failed),
            (Self::Running, Ended(End::Succeeded)) => Ok(Self::Succeeded),
            (Self::Running, Ended(End::Failed)) => Ok(Self::Failed),
            (Self::Pending | Self::Running, Cancelled) => Ok(Self::Cancelled),
            (Self::Pending | Self::Running, Abandoned) => Ok(Self::Abandoned),
            (from, event) => Err(IllegalTransition { from, event }),
        }
    }
}

impl Display for IntervalState {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for IntervalState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        NAMES
            .iter()
            .find(|(_, name)| *name == text)
            .map(|(state, _)| *state)
            .ok_or_else(|| UnknownState(text.to_owned()))
    }
}

/// A text that names no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a state")]
pub struct UnknownState(String);

/// What can happen to an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntervalEvent {
    /// Its plan was recorded.
    Planned,
    /// Its plan failed for good.
    PlanFailed,
    /// No task is left that could run.
    Ended(End),
    /// A person ended it.
    Cancelled,
    /// It is not, or cannot be, recovered.
    Abandoned,
}

/// How an interval ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Every task completed.
    Succeeded,
    /// A task failed.
    Failed,
}

/// An event that cannot happen in this state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an interval that is {from} cannot take {event:?}")]
pub struct IllegalTransition {
    from: IntervalState,
    event: IntervalEvent,
}

/// What made an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The job's schedule.
    Schedule,
    /// A person or a client.
    Trigger,
    /// A past firing that is run, or run again.
    Backfill,
    /// The end of an interval of another job.
    Chain {
        /// That interval.
        caused_by: IntervalId,
    },
    /// It takes the place of an interval that could not be recovered, and runs without progress tracking.
    Fallback {
        /// The interval whose place it takes.
        replaces: IntervalId,
    },
    /// It takes the place of an interval that was cancelled for a new version of the plugin.
    Upgrade {
        /// The interval whose place it takes.
        replaces: IntervalId,
    },
}

impl Origin {
    /// The name in SQL and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Trigger => "trigger",
            Self::Backfill => "backfill",
            Self::Chain { .. } => "chain",
            Self::Fallback { .. } => "fallback",
            Self::Upgrade { .. } => "upgrade",
        }
    }
}

/// A firing that is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Firing {
    /// The new interval.
    pub interval: IntervalId,
    /// The job that fired.
    pub job: JobId,
    /// What made it.
    pub origin: Origin,
    /// When it was due.
    pub scheduled_at: Timestamp,
    /// When it was found due; the difference is its lateness.
    pub fired_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_moves_only_along_the_drawn_arrows() {
        use IntervalState::{Abandoned, Cancelled, Failed, Pending, Running, Succeeded};
        let events = [
            IntervalEvent::Planned,
            IntervalEvent::PlanFailed,
            IntervalEvent::Ended(End::Succeeded),
            IntervalEvent::Ended(End::Failed),
            IntervalEvent::Cancelled,
            IntervalEvent::Abandoned,
        ];
        let arrows = [
            (Pending, [Some(Running), Some(Failed), None, None, Some(Cancelled), Some(Abandoned)]),
            (Running, [None, None, Some(Succeeded), Some(Failed), Some(Cancelled), Some(Abandoned)]),
        ];
        for (state, name) in NAMES {
            let drawn = arrows.iter().find(|arrow| arrow.0 == state).map_or([None; 6], |arrow| arrow.1);
            assert_eq!(events.map(|event| state.next(event).ok()), drawn, "{name}");
            assert_eq!(state.is_open(), drawn.iter().any(Option::is_some), "{name}");
            assert_eq!(name.parse(), Ok(state));
        }
    }
}
