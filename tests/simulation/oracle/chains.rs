//! Jobs that fire at the end of others: each end that counts fires once.

use super::rows::{IntervalRow, Snapshot};
use super::{All, JobAwaited, Oracle};
use std::collections::{BTreeMap, BTreeSet};

impl Oracle {
    pub(super) fn check_chains(&mut self, snapshot: &Snapshot, all: &All) {
        let followers: BTreeMap<&str, &JobAwaited> =
            self.jobs.iter().filter_map(|(id, job)| Some((id.as_str(), job.after.as_ref()?))).collect();
        let mut fired: BTreeMap<(&str, &str), i64> = BTreeMap::new();
        for row in all.values().map(|seen| &seen.row).filter(|row| row.origin == "chain") {
            *fired.entry((row.job_id.as_str(), row.caused_by.as_deref().unwrap_or_default())).or_default() += 1;
        }
        let alive: BTreeSet<&str> =
            snapshot.jobs.iter().filter(|job| !job.is_deleted).map(|job| job.id.as_str()).collect();
        let replaced: BTreeSet<&str> = all.values().filter_map(|seen| seen.row.replaces.as_deref()).collect();
        let mut wrong = Vec::new();
        for (follower, awaited) in followers {
            let causes = all.values().map(|seen| &seen.row).filter(|row| row.job_id == awaited.job);
            for cause in causes {
                let count = fired.remove(&(follower, cause.id.as_str())).unwrap_or(0);
                let counts = self.ended_now.contains(&cause.number)
                    && self.known_followers.contains(follower)
                    && alive.contains(follower)
                    && !replaced.contains(cause.id.as_str())
                    && fires(awaited, cause);
                if count > 1 + cause.reopened || counts && count == 0 {
                    wrong.push(format!("interval {} is {} and fired a job {count} times", cause.number, cause.state));
                }
            }
        }
        wrong.extend(fired.keys().map(|(job, cause)| format!("job {job} was fired by {cause}, which is none of its")));
        self.known_followers = self.jobs.keys().cloned().collect();
        self.ended_now.clear();
        wrong.into_iter().for_each(|text| self.blame("chains", text));
    }
}

fn fires(awaited: &JobAwaited, cause: &IntervalRow) -> bool {
    match cause.state.as_str() {
        "succeeded" => awaited.on_success,
        "failed" | "abandoned" => awaited.on_failure,
        _ => false,
    }
}
