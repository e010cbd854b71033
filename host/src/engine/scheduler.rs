//! Turns jobs whose time has come into intervals.

use super::tick::Tick;
use crate::domain::firing::{self, Run, Situation, Verdict};
use crate::domain::ids::IntervalId;
use crate::domain::timestamp::Timestamp;
use crate::store::{DueJob, FiringDecision, Store, StoreError};
use crate::wakeup::Wakeup;
use async_trait::async_trait;
use std::sync::Arc;
use tracing::{info, warn};

/// How many jobs one tick fires.
const JOBS_MAX: u32 = 256;

/// Fires due jobs.
pub struct Scheduler {
    store: Arc<dyn Store>,
    is_recovery_enabled: bool,
    executor: Wakeup,
}

impl Scheduler {
    /// A scheduler that wakes the executor when a job has fired; `is_recovery_enabled` is `ENABLE_RECOVERY`.
    pub fn new(store: Arc<dyn Store>, is_recovery_enabled: bool, executor: Wakeup) -> Self {
        Self { store, is_recovery_enabled, executor }
    }

    fn decide(&self, due: &DueJob, now: Timestamp) -> Option<FiringDecision> {
        let DueJob { job, open } = due;
        let (schedule, rules, next) = (&job.spec.schedule, &job.spec.rules, job.next?);
        let situation = Situation { job: job.id, schedule, rules, next, open, now };
        Some(FiringDecision {
            job: job.id,
            was_due_at: next.fire_at,
            decided_at: now,
            is_tracked: self.is_recovery_enabled && job.spec.enable_recovery,
            verdict: firing::decide(&situation, IntervalId::generate)?,
        })
    }
}

#[async_trait]
impl Tick for Scheduler {
    const NAME: &'static str = "scheduler";

    async fn tick(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let due = self.store.due_jobs(now, JOBS_MAX).await?;
        let decisions: Vec<_> = due.iter().filter_map(|due| self.decide(due, now)).collect();
        if !decisions.is_empty() {
            let fired = self.store.fire(&decisions).await?;
            let fired: Vec<_> = decisions.iter().zip(fired).filter_map(|(one, fired)| fired.then_some(one)).collect();
            fired.iter().for_each(|decision| announce(decision));
            if fired.iter().any(|decision| !decision.verdict.runs.is_empty()) {
                self.executor.nudge_everywhere();
            }
        }
        self.store.next_fire_at().await
    }
}

fn announce(decision: &FiringDecision) {
    let job = decision.job;
    let Verdict { runs, unrun, cancels, warning, .. } = &decision.verdict;
    for firing in unrun {
        warn!(job.id = %job, state = %firing.state, "Job {job}, {}: {}", firing.state, firing.reason);
    }
    for cancelled in cancels {
        let interval = cancelled.interval;
        warn!(job.id = %job, interval.id = %interval, "Job {job} cancelled interval {interval}: {}", cancelled.reason);
    }
    if let Some(warning) = warning {
        warn!(job.id = %job, "Job {job} is slow: {warning}");
    }
    for Run { firing, waits } in runs {
        let (interval, waits) = (firing.interval, waits.as_deref().map(|waits| format!(", which {waits}")));
        info!(job.id = %job, interval.id = %interval, "Job {job} fired interval {interval}{}", waits.unwrap_or_default());
    }
}
