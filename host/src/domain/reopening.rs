//! Which intervals can be taken up again after their end.

use super::ids::IntervalId;
use super::interval::{IntervalEvent, IntervalState, Reopening};

/// An interval that somebody wants to be retried.
#[derive(Debug, Clone, Copy)]
pub struct Retried {
    /// How far it is.
    pub state: IntervalState,
    /// Whether it has a plan, and so progress.
    pub reopening: Reopening,
    /// The interval that took its place.
    pub replaced_by: Option<IntervalId>,
    /// Whether it ever had a version of its plugin to run on.
    pub has_version: bool,
    /// Whether its job is deleted.
    pub is_job_deleted: bool,
}

/// Why an interval is not retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRetried {
    /// It has not ended.
    #[error("it is still {0}: wait for its end, or cancel it first")]
    Open(IntervalState),
    /// Every task completed.
    #[error("it succeeded: nothing of it failed; trigger the job to run everything again")]
    NothingFailed,
    /// It is no run, or what it did is not known.
    #[error("it is {0}, so there is no progress to go on from; trigger the job instead")]
    NoProgress(IntervalState),
    /// Another interval does its work.
    #[error("interval {0} has taken its place; retry that one")]
    Replaced(IntervalId),
    /// It failed for lack of a version.
    #[error("it never had a version of its plugin to run on; upload one and trigger the job")]
    NoVersion,
    /// Nothing of a deleted job runs.
    #[error("its job is deleted")]
    JobDeleted,
}

/// Decides whether an interval is opened again, and in which state.
///
/// One that failed, was cut short or was cancelled has progress to go on from. One that was abandoned has none that
/// could be trusted: either another has taken its place, or its progress was not recorded.
pub fn reopen(retried: Retried) -> Result<IntervalState, NotRetried> {
    if retried.is_job_deleted {
        return Err(NotRetried::JobDeleted);
    }
    if let Some(other) = retried.replaced_by {
        return Err(NotRetried::Replaced(other));
    }
    match retried.state {
        open if open.is_open() => Err(NotRetried::Open(open)),
        IntervalState::Succeeded => Err(NotRetried::NothingFailed),
        state => {
            let reopened = state.next(IntervalEvent::Reopened(retried.reopening));
            let reopened = reopened.map_err(|_| NotRetried::NoProgress(state))?;
            if retried.has_version { Ok(reopened) } else { Err(NotRetried::NoVersion) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use IntervalState::{Abandoned, Cancelled, Failed, Missed, Pending, Running, Skipped, Succeeded};

    const FAILED: Retried = Retried {
        state: Failed,
        reopening: Reopening::Planned,
        replaced_by: None,
        has_version: true,
        is_job_deleted: false,
    };

    #[test]
    fn what_failed_or_was_cancelled_goes_on_from_its_progress() {
        for state in [Failed, Cancelled] {
            assert_eq!(reopen(Retried { state, ..FAILED }), Ok(Running));
            assert_eq!(reopen(Retried { state, reopening: Reopening::Unplanned, ..FAILED }), Ok(Pending));
        }
    }

    #[test]
    fn every_other_interval_is_refused_with_its_own_reason() {
        let other = IntervalId::generate();
        let cases = [
            (Retried { state: Running, ..FAILED }, NotRetried::Open(Running)),
            (Retried { state: Pending, ..FAILED }, NotRetried::Open(Pending)),
            (Retried { state: Succeeded, ..FAILED }, NotRetried::NothingFailed),
            (Retried { state: Abandoned, ..FAILED }, NotRetried::NoProgress(Abandoned)),
            (Retried { state: Skipped, ..FAILED }, NotRetried::NoProgress(Skipped)),
            (Retried { state: Missed, ..FAILED }, NotRetried::NoProgress(Missed)),
            (Retried { state: Abandoned, replaced_by: Some(other), ..FAILED }, NotRetried::Replaced(other)),
            (Retried { has_version: false, ..FAILED }, NotRetried::NoVersion),
            (Retried { is_job_deleted: true, ..FAILED }, NotRetried::JobDeleted),
        ];
        for (retried, refusal) in cases {
            assert_eq!(reopen(retried), Err(refusal), "{retried:?}");
        }
    }
}
