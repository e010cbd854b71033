//! One firing of a job.

use super::ids::{BackfillId, IntervalId, JobId};
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
        use IntervalEvent::{Abandoned, Cancelled, CutShort, Ended, PlanFailed, Planned, Reopened, TimedOut};
        match (self, event) {
            (Self::Pending, Planned) => Ok(Self::Running),
            (Self::Pending, PlanFailed) => Ok(Self::Failed),
            (Self::Running, Ended(End::Succeeded)) => Ok(Self::Succeeded),
            (Self::Running, Ended(End::Failed) | TimedOut | CutShort) => Ok(Self::Failed),
            (Self::Pending | Self::Running, Cancelled) => Ok(Self::Cancelled),
            (Self::Pending | Self::Running, Abandoned) => Ok(Self::Abandoned),
            (Self::Failed | Self::Cancelled, Reopened(Reopening::Planned)) => Ok(Self::Running),
            (Self::Failed | Self::Cancelled, Reopened(Reopening::Unplanned)) => Ok(Self::Pending),
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
    /// It took longer than it may.
    TimedOut,
    /// More of its tasks failed than may.
    CutShort,
    /// A person, or a new version of its plugin, ended it.
    Cancelled,
    /// It is not, or cannot be, recovered.
    Abandoned,
    /// A person wants what has not completed to run again.
    Reopened(Reopening),
}

/// What an interval that is opened again goes on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reopening {
    /// Its plan and the progress of its tasks.
    Planned,
    /// Nothing: it never had a plan.
    Unplanned,
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
    Backfill {
        /// What it is part of.
        backfill: BackfillId,
    },
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
            Self::Backfill { .. } => "backfill",
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
        use IntervalEvent::{Abandoned, Cancelled, CutShort, Ended, PlanFailed, Planned, Reopened, TimedOut};
        use IntervalState as State;
        let arrows = [
            (State::Pending, Planned, State::Running),
            (State::Pending, PlanFailed, State::Failed),
            (State::Pending, Cancelled, State::Cancelled),
            (State::Pending, Abandoned, State::Abandoned),
            (State::Running, Ended(End::Succeeded), State::Succeeded),
            (State::Running, Ended(End::Failed), State::Failed),
            (State::Running, TimedOut, State::Failed),
            (State::Running, CutShort, State::Failed),
            (State::Running, Cancelled, State::Cancelled),
            (State::Running, Abandoned, State::Abandoned),
            (State::Failed, Reopened(Reopening::Planned), State::Running),
            (State::Failed, Reopened(Reopening::Unplanned), State::Pending),
            (State::Cancelled, Reopened(Reopening::Planned), State::Running),
            (State::Cancelled, Reopened(Reopening::Unplanned), State::Pending),
        ];
        for (state, name) in NAMES {
            for (_, event, _) in arrows {
                let drawn = arrows.iter().find(|arrow| arrow.0 == state && arrow.1 == event).map(|arrow| arrow.2);
                assert_eq!(state.next(event).ok(), drawn, "{name} {event:?}");
            }
            // A person alone opens it again.
            let goes_on = arrows.iter().any(|arrow| arrow.0 == state && !matches!(arrow.1, Reopened(_)));
            assert_eq!(state.is_open(), goes_on, "{name}");
            assert_eq!(name.parse(), Ok(state));
        }
    }
}
