//! What becomes of the firings that pass while a job does not fire.

use super::job::{Job, NextFiring};
use super::schedule::Count;
use super::timestamp::Timestamp;

/// Firings of a job that were due and have not been fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// The first of them.
    pub first_at: Timestamp,
    /// The last of them.
    pub last_at: Timestamp,
    /// How many.
    pub count: Count,
}

/// How a paused job goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumption {
    /// Its next firing: the next one of its grid.
    pub next: Option<NextFiring>,
    /// When the first firing that passed was due, and what is kept of all that did; none where none has.
    pub skipped: Option<(Passed, String)>,
}

/// The firings that have passed; the work is bounded however many they are.
pub fn passed(job: &Job, now: Timestamp) -> Option<Passed> {
    let next = job.next.filter(|next| next.fire_at <= now)?;
    let (first_at, schedule) = (next.scheduled_at, &job.spec.schedule);
    let last_at = schedule.latest_within(first_at, now).unwrap_or(first_at);
    let later = schedule.count_within(first_at, now);
    Some(Passed { first_at, last_at, count: Count { number: later.number + 1, ..later } })
}

/// Decides how a paused job goes on: nothing that passed is made up for, and nothing of it is lost.
pub fn resumption(job: &Job, pause_reason: &str, now: Timestamp) -> Resumption {
    let Some(passed) = passed(job, now) else { return Resumption { next: job.next, skipped: None } };
    let reason = format!("{passed} passed while the job was paused: {pause_reason}");
    Resumption { next: job.next_firing(now), skipped: Some((passed, reason)) }
}

impl std::fmt::Display for Passed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.count.number {
            1 => write!(out, "1 firing, due at {},", self.first_at),
            _ => write!(out, "{} firings from {} to {}", self.count, self.first_at, self.last_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::grants::Grants;
    use crate::domain::ids::JobId;
    use crate::domain::job::{JobSpec, Policy, WorkSpec};
    use crate::domain::labels::Labels;
    use crate::domain::rules::JobRules;
    use crate::domain::schedule::{Period, Schedule};
    use std::time::Duration;

    const START: Timestamp = Timestamp::from_ms(1_000_000_000_500);

    fn job(schedule: Schedule) -> Job {
        let work = WorkSpec {
            payload: "null".to_owned(),
            tasks: None,
            policy: Policy::default(),
            grants: Grants::default(),
            requires: Labels::default(),
        };
        let spec = JobSpec {
            name: "job".to_owned(),
            workspace_id: "default".to_owned(),
            plugin: "plugin".to_owned(),
            schedule,
            after: None,
            rules: JobRules::default(),
            enable_recovery: true,
            work,
        };
        Job::new(JobId::generate(), spec, START)
    }

    fn every(seconds: u64) -> Job {
        let period = Period::new(Duration::from_secs(seconds)).unwrap();
        job(Schedule::Every { period, anchor: START })
    }

    fn at(seconds: u64) -> Timestamp {
        START + Duration::from_secs(seconds)
    }

    #[test]
    fn a_job_resumed_before_its_next_firing_has_missed_nothing() {
        let resumption = resumption(&every(10), "a look", at(9));
        assert_eq!(resumption.skipped, None);
        assert_eq!(resumption.next.unwrap().scheduled_at, at(10));
    }

    #[test]
    fn what_passed_is_one_record_with_its_count_and_the_grid_goes_on() {
        let one = resumption(&every(10), "a look", at(10));
        assert_eq!(one.next.unwrap().scheduled_at, at(20));
        let (passed, reason) = one.skipped.unwrap();
        assert_eq!((passed.first_at, passed.last_at), (at(10), at(10)));
        assert!(reason.starts_with("1 firing, due at") && reason.ends_with("paused: a look"), "{reason}");
        let month = 30 * 86_400;
        let many = resumption(&every(1), "a holiday", at(month));
        assert_eq!(many.next.unwrap().scheduled_at, at(month + 1));
        let (passed, reason) = many.skipped.unwrap();
        assert_eq!((passed.first_at, passed.last_at), (at(1), at(month)));
        assert!(reason.starts_with("2592000 firings from"), "{reason}");
    }

    #[test]
    fn a_job_without_a_schedule_goes_on_without_one() {
        assert_eq!(resumption(&job(Schedule::Manual), "", at(99)), Resumption { next: None, skipped: None });
        let once = resumption(&job(Schedule::Once { at: at(5) }), "a look", at(99));
        assert_eq!((once.next, once.skipped.unwrap().0.first_at), (None, at(5)));
    }
}
