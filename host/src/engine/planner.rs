//! Makes the plans of intervals that have fired.

use super::active::ActiveInterval;
use super::recorder::announce;
use crate::clock::Clock;
use crate::domain::ids::{IncarnationId, TaskIndex};
use crate::domain::judgement::judge;
use crate::domain::plan::Plan;
use crate::domain::task::{Failure, FailureKind, Outcome};
use crate::sandbox::PlanOutput;
use crate::store::{PlanRecord, Store, StoreError};
use tracing::{info, warn};

/// Calls the plugin's `plan` and records the answer. A failed plan is judged by the job's retry policy, as a task is.
pub(super) async fn plan(
    interval: &ActiveInterval,
    store: &dyn Store,
    clock: &dyn Clock,
    owner: IncarnationId,
) -> Result<(), StoreError> {
    let report = interval.plan().await;
    let outcome = match report.outcome {
        Outcome::Succeeded(output) => check(output, interval.open.work.tasks.unwrap_or(1)),
        Outcome::Failed(failure) => Outcome::Failed(failure),
    };
    let now = clock.now();
    let attempt = interval.open.plan_attempts + 1;
    let judgement = judge(outcome, &interval.open.work.policy.retry, TaskIndex(0), attempt, now);
    let (id, job) = (interval.open.id, interval.open.job);
    let mut failed = judgement.failure;
    if let Some((plan, record)) = judgement.value {
        let record = PlanRecord { log: report.log.clone(), ..record };
        match store.record_plan(owner, id, &plan, record, now).await {
            Err(StoreError::KeysOverQuota(refused)) => {
                failed = refused.first().map(|refused| (refused.over.into(), None));
            }
            recorded => {
                let recorded = recorded?;
                info!(interval.id = %id, job.id = %job, tasks = plan.total(), "Interval {id} of job {job} has {} tasks", plan.total());
                announce(&recorded);
            }
        }
    }
    if let Some((failure, retry_at)) = failed {
        let kind = failure.kind.name();
        warn!(interval.id = %id, job.id = %job, kind, "The plan of interval {id} failed: {}", failure.message);
        let record = PlanRecord { log: report.log, ..PlanRecord::default() };
        store.record_plan_failure(owner, id, &failure, retry_at, record, now).await?;
    }
    Ok(())
}

fn check(output: PlanOutput, default_tasks: u32) -> Outcome<(Plan, PlanRecord)> {
    let PlanOutput { stages, keys, events } = output;
    match Plan::new(stages, default_tasks) {
        Ok(plan) => Outcome::Succeeded((plan, PlanRecord { keys, events, log: Vec::new() })),
        Err(error) => Outcome::Failed(Failure { kind: FailureKind::Fatal, message: error.to_string() }),
    }
}
