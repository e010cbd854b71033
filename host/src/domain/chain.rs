//! Jobs that fire at the end of another's intervals.

use super::ids::{IntervalId, JobId};
use super::interval::IntervalState;
use super::rules::{AfterEnd, Overlap};

/// Why a job cannot fire after another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// There is no such job.
    #[error("no job has the id `{0}`")]
    Unknown(JobId),
    /// Each end would lead to the next one, for ever.
    #[error("the jobs would fire each other for ever: {0}")]
    Cycle(String),
}

/// A job on the way up a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Which.
    pub job: JobId,
    /// What people call it.
    pub name: String,
}

/// Checks that a job may fire after the first of `links`, which itself fires after the second, and so on.
pub fn check(job: &Link, after: JobId, links: &[Link]) -> Result<(), ChainError> {
    if after != job.job && links.first().is_none_or(|link| link.job != after) {
        return Err(ChainError::Unknown(after));
    }
    let name = |link: &Link| link.name.clone();
    let cycle = |between: &[Link]| {
        let way: Vec<String> = [name(job)].into_iter().chain(between.iter().map(name)).chain([name(job)]).collect();
        Err(ChainError::Cycle(way.join(" -> ")))
    };
    if after == job.job {
        return cycle(&[]);
    }
    links.iter().position(|link| link.job == job.job).map_or(Ok(()), |end| cycle(&links[..end]))
}

/// Whether a job that waits for `wanted` fires at the end of an interval.
pub fn fires_at(wanted: AfterEnd, end: IntervalState) -> bool {
    match end {
        IntervalState::Succeeded => matches!(wanted, AfterEnd::Success | AfterEnd::Any),
        IntervalState::Failed | IntervalState::Abandoned => matches!(wanted, AfterEnd::Failure | AfterEnd::Any),
        _ => false,
    }
}

/// A job whose time has come by another's end.
#[derive(Debug, Clone, Copy)]
pub struct Follower {
    /// What a firing does that finds an interval open.
    pub overlap: Overlap,
    /// Whether it fires at all.
    pub is_paused: bool,
    /// Its interval that is still open.
    pub open: Option<IntervalId>,
    /// How many of its intervals wait behind that one.
    pub queued: u32,
}

/// What the end of another job's interval leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Following {
    /// An interval runs.
    Run,
    /// An interval waits for the end of the open one.
    Queue {
        /// Why, for people.
        reason: String,
    },
    /// An interval runs, and the open ones are cancelled.
    RunAlone,
    /// None runs.
    Skip {
        /// Why, for people.
        reason: String,
    },
}

/// Decides what the end of interval `cause` leads to; the overlap rule is the one that holds for the schedule, too.
pub fn follow(follower: Follower, cause: IntervalId) -> Following {
    let skip = |why: String| Following::Skip { reason: format!("{why} when interval {cause} of another job ended") };
    if follower.is_paused {
        return skip("the job was paused".to_owned());
    }
    let Some(open) = follower.open else { return Following::Run };
    match follower.overlap {
        Overlap::Skip => skip(format!("interval {open} of the job was still open")),
        Overlap::Queue { max } if follower.queued >= max => skip(format!("{max} firings of the job waited already")),
        Overlap::Queue { .. } => Following::Queue { reason: format!("waits for interval {open}") },
        Overlap::Allow => Following::Run,
        Overlap::CancelRunning => Following::RunAlone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(name: &str) -> Link {
        Link { job: JobId::generate(), name: name.to_owned() }
    }

    #[test]
    fn a_cycle_of_any_length_is_refused_with_its_way() {
        let (a, b, c) = (link("a"), link("b"), link("c"));
        let message = |after: JobId, links: &[Link]| check(&a, after, links).unwrap_err().to_string();
        assert_eq!(message(a.job, &[]), "the jobs would fire each other for ever: a -> a");
        assert!(message(b.job, &[b.clone(), a.clone()]).ends_with("ever: a -> b -> a"));
        assert!(message(b.job, &[b.clone(), c.clone(), a.clone()]).ends_with("ever: a -> b -> c -> a"));
        assert_eq!(check(&a, b.job, &[b.clone(), c]), Ok(()));
    }

    #[test]
    fn a_job_that_is_not_there_has_no_end_to_wait_for() {
        let nobody = JobId::generate();
        assert_eq!(check(&link("a"), nobody, &[]), Err(ChainError::Unknown(nobody)));
    }

    #[test]
    fn each_end_fires_those_that_wait_for_it() {
        use AfterEnd::{Any, Failure, Success};
        use IntervalState::{Abandoned, Cancelled, Failed, Skipped, Succeeded};
        let fired = |end| [Success, Failure, Any].map(|wanted| fires_at(wanted, end));
        assert_eq!(fired(Succeeded), [true, false, true]);
        assert_eq!(fired(Failed), [false, true, true]);
        assert_eq!(fired(Abandoned), [false, true, true]);
        assert_eq!(fired(Cancelled), [false; 3]);
        assert_eq!(fired(Skipped), [false; 3]);
    }

    #[test]
    fn the_overlap_rule_holds_for_chained_firings() {
        let (open, cause) = (IntervalId::generate(), IntervalId::generate());
        let follower = Follower { overlap: Overlap::Skip, is_paused: false, open: Some(open), queued: 2 };
        let with = |overlap| follow(Follower { overlap, ..follower }, cause);
        assert!(matches!(with(Overlap::Skip), Following::Skip { reason } if reason.contains(&cause.to_string())));
        assert!(
            matches!(with(Overlap::Queue { max: 3 }), Following::Queue { reason } if reason.contains(&open.to_string()))
        );
        assert!(matches!(with(Overlap::Queue { max: 2 }), Following::Skip { .. }));
        assert_eq!(with(Overlap::Allow), Following::Run);
        assert_eq!(with(Overlap::CancelRunning), Following::RunAlone);
        assert_eq!(follow(Follower { open: None, ..follower }, cause), Following::Run);
        assert!(matches!(follow(Follower { is_paused: true, ..follower }, cause), Following::Skip { .. }));
    }
}
