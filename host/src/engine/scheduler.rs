//! Turns jobs whose time has come into intervals.

use super::tick::Tick;
use crate::domain::ids::IntervalId;
use crate::domain::interval::{Firing, IntervalState, Origin};
use crate::domain::job::NextFiring;
use crate::domain::schedule::{Coalesced, Due};
use crate::domain::timestamp::Timestamp;
use crate::store::{DueJob, FiringDecision, NewInterval, Store, StoreError, UnrunFiring};
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
}

#[async_trait]
impl Tick for Scheduler {
    const NAME: &'static str = "scheduler";

    async fn tick(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let due = self.store.due_jobs(now, JOBS_MAX).await?;
        let decisions: Vec<_> = due.iter().filter_map(|due| decide(due, self.is_recovery_enabled, now)).collect();
        if !decisions.is_empty() {
            let fired = self.store.fire(&decisions).await?;
            let fired: Vec<_> = decisions.iter().zip(fired).filter_map(|(one, fired)| fired.then_some(one)).collect();
            fired.iter().for_each(|decision| announce(decision));
            if fired.iter().any(|decision| decision.run.is_some()) {
                self.executor.nudge();
            }
        }
        self.store.next_fire_at().await
    }
}

/// Decides what a due job leads to: the latest due firing runs in the place of earlier ones, unless an interval of the
/// job is still open. Firings that do not run are kept as records.
fn decide(due_job: &DueJob, is_recovery_enabled: bool, now: Timestamp) -> Option<FiringDecision> {
    let DueJob { job, open_interval } = due_job;
    let was_due_at = job.next?.fire_at;
    let Due { run_at, coalesced, next_at } = job.spec.schedule.due(was_due_at, now)?;
    let next = next_at.map(|at| NextFiring { scheduled_at: at, fire_at: at });
    let unrun = |state, reason, scheduled_at| UnrunFiring {
        id: IntervalId::generate(),
        state,
        reason,
        scheduled_at,
        decided_at: now,
    };
    let mut decision = FiringDecision { job: job.id, was_due_at, run: None, unrun: Vec::new(), next };
    if let Some(Coalesced { first_at, count }) = coalesced {
        let reason =
            format!("{count} firings from {first_at} on were due while no host fired them; {run_at} stands for them");
        decision.unrun.push(unrun(IntervalState::Coalesced, reason, first_at));
    }
    match open_interval {
        Some(open) => {
            let reason = format!("interval {open} of the job was still open");
            decision.unrun.push(unrun(IntervalState::Skipped, reason, run_at));
        }
        None => {
            let interval = IntervalId::generate();
            let firing =
                Firing { interval, job: job.id, origin: Origin::Schedule, scheduled_at: run_at, fired_at: now };
            decision.run = Some(NewInterval { firing, is_tracked: is_recovery_enabled && job.spec.enable_recovery });
        }
    }
    Some(decision)
}

fn announce(decision: &FiringDecision) {
    let job = decision.job;
    for firing in &decision.unrun {
        warn!(job.id = %job, state = %firing.state, "A firing of job {job} is {}: {}", firing.state, firing.reason);
    }
    if let Some(NewInterval { firing, .. }) = &decision.run {
        info!(job.id = %job, interval.id = %firing.interval, "Job {job} fired interval {}", firing.interval);
    }
}
