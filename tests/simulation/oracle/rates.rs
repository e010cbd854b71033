//! Rates of jobs: every call was paid for in the job's row, by whichever host, and the row is never far ahead.

use super::Oracle;
use super::rows::Snapshot;

impl Oracle {
    pub(super) fn check_rates(&mut self, snapshot: &Snapshot) {
        // What a clock that was set back had used up is not to be waited for.
        if self.has_gone_back {
            return;
        }
        let mut violations = Vec::new();
        for (id, job) in &self.jobs {
            let Some(rate) = job.rate else { continue };
            let begun = self.begun_of.get(id).copied().unwrap_or(0);
            let Some((_, used_until)) = snapshot.rates.iter().find(|(job, _)| job == id) else {
                let is_kept = snapshot.jobs.iter().any(|row| row.id == *id);
                if begun > 0 && is_kept {
                    violations.push(format!("{begun} tasks of job {id} began and its rate has no row"));
                }
                continue;
            };
            let spacing = (1e9 / rate).round() as i128;
            let used_until = i128::from(*used_until);
            let paid = (used_until - i128::from(job.created_at) * 1_000_000) / spacing;
            if used_until > 0 && i128::from(begun) > paid {
                violations.push(format!("{begun} tasks of job {id} began, its rate of {rate} allowed {paid}"));
            }
            let latest = (i128::from(self.latest_ms) + 100) * 1_000_000 + spacing;
            if used_until > latest {
                violations.push(format!("the rate of job {id} is used up until {used_until}, at {latest} the latest"));
            }
        }
        violations.into_iter().for_each(|text| self.blame("rate_limit holds", text));
    }
}
