//! Makes the plans of intervals that have fired.

use super::active::ActiveInterval;
use super::plan_recorder::PlanExchange;
use super::recorder::announce;
use crate::clock::Clock;
use crate::domain::ids::TaskIndex;
use crate::domain::judgement::judge;
use crate::domain::plan::Plan;
use crate::domain::task::{Failure, FailureKind, Outcome};
use crate::sandbox::PlanOutput;
use crate::store::{MadePlan, PlanRecord, Planned, StoreError};
use crate::wakeup::Wakeup;
use std::sync::Arc;
use tracing::{info, warn};

/// Calls the plugin's `plan` and has the answer recorded. A failed plan is judged by the job's retry policy, as a task
/// is.
pub(super) struct Planner {
    pub(super) plans: PlanExchange,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) executor: Wakeup,
}

impl Planner {
    /// Answers with the interval as it can be worked on; none where it has ended or passed to another host, or where its
    /// plan failed.
    pub(super) async fn plan(&self, interval: ActiveInterval) -> Result<Option<ActiveInterval>, StoreError> {
        let report = interval.plan().await;
        let outcome = match report.outcome {
            Outcome::Succeeded(output) => check(output, interval.open.work.tasks.unwrap_or(1)),
            Outcome::Failed(failure) => Outcome::Failed(failure),
        };
        let now = self.clock.now();
        let attempt = interval.open.plan_attempts + 1;
        let judgement = judge(outcome, &interval.open.work.policy.retry, TaskIndex(0), attempt, now);
        let (id, job) = (interval.open.id, interval.open.job);
        let mut failed = judgement.failure;
        if let Some((plan, record)) = judgement.value {
            let record = PlanRecord { log: report.log.clone(), ..record };
            match self.record(interval, plan, record).await {
                Err(StoreError::KeysOverQuota(refused)) => {
                    failed = refused.first().map(|refused| (refused.over.into(), None));
                }
                recorded => return recorded,
            }
        }
        if let Some((failure, retry_at)) = failed {
            let kind = failure.kind.name();
            warn!(interval.id = %id, job.id = %job, kind, "The plan of interval {id} failed: {}", failure.message);
            let record = PlanRecord { log: report.log, ..PlanRecord::default() };
            self.plans.record_failure(id, &failure, retry_at, record, now).await?;
        }
        Ok(None)
    }

    async fn record(
        &self,
        interval: ActiveInterval,
        plan: Plan,
        record: PlanRecord,
    ) -> Result<Option<ActiveInterval>, StoreError> {
        let (id, job, total) = (interval.open.id, interval.open.job, plan.total());
        let interval = interval.with_stages(plan.stages().to_vec());
        let (lanes, segments_max) = (interval.lanes_max(), interval.segments_max());
        let count = plan.segments(lanes).len();
        let made = MadePlan { interval: id, plan, record, lanes, segments_max };
        let Some(Planned { recorded, segments }) = self.plans.record(made).await? else { return Ok(None) };
        if segments.len() < count {
            self.executor.nudge_everywhere();
        }
        info!(interval.id = %id, job.id = %job, tasks = total, "Interval {id} of job {job} has {total} tasks");
        announce(&recorded);
        interval.hold_planned(segments);
        Ok(recorded.ended.is_empty().then_some(interval))
    }
}

fn check(output: PlanOutput, default_tasks: u32) -> Outcome<(Plan, PlanRecord)> {
    let PlanOutput { stages, keys, events } = output;
    match Plan::new(stages, default_tasks) {
        Ok(plan) => Outcome::Succeeded((plan, PlanRecord { keys, events, log: Vec::new() })),
        Err(error) => Outcome::Failed(Failure { kind: FailureKind::Fatal, message: error.to_string() }),
    }
}
