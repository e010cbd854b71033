//! One call of a plugin, in a sandbox of its own.

use super::bindings::{Plugin as Instance, PluginPre, types as wit};
use super::capacity::Capacity;
use super::cell::{Cell, WarmCell};
use super::context::{JobInput, TaskInput};
use super::events::EventList;
use super::keys::{KeyOverlay, KeyReader};
use super::limits::{Limits, MESSAGE_BYTES_MAX};
use super::log::TaskLog;
use super::pace::Pace;
use super::reach::Reach;
use super::state::{CallState, Offers};
use super::task_side::{MaybeTask, TaskSide};
use crate::domain::digest::Digest;
use crate::domain::human_duration;
use crate::domain::plan::DeclaredStage;
use crate::domain::task::{Event, Failure, FailureKind, KeyWrites, LogLine, Outcome, TaskOutput};
use crate::domain::timestamp::Timestamp;
use crate::domain::turns::Party;
use std::sync::Arc;
use wasmtime::Store;

/// A checked and compiled component, ready to be called. Clones share the code.
#[derive(Clone)]
pub struct Plugin {
    digest: Digest,
    pre: PluginPre<CallState>,
    imports: Arc<[String]>,
    capacity: Arc<Capacity>,
}

/// What a call may reach, and how far it may go.
pub struct Surroundings<'a> {
    /// Its limits.
    pub limits: Limits,
    /// The job's keys.
    pub keys: Arc<dyn KeyReader>,
    /// What only a task can ask for; none for a plan.
    pub task: Option<Arc<dyn TaskSide>>,
    /// What it may reach beside the host's own functions.
    pub reach: &'a Reach,
    /// For whom it computes.
    pub party: Arc<Party>,
    /// The sandbox of the call before, where the job wants that; none for a fresh one.
    pub warm: Option<&'a mut WarmCell>,
    /// Reads the time for log lines.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// How a call ended, and what it logged.
#[derive(Debug)]
pub struct CallReport<T> {
    /// How it ended.
    pub outcome: Outcome<T>,
    /// What it logged, also where it failed.
    pub log: Vec<LogLine>,
}

/// What a successful `plan` leaves.
#[derive(Debug)]
pub struct PlanOutput {
    /// The stages that the plugin declared.
    pub stages: Vec<DeclaredStage>,
    /// What it wrote to the job's keys.
    pub keys: KeyWrites,
    /// What it told whoever watches.
    pub events: Vec<Event>,
}

/// What a successful call has asked the host to keep.
struct Kept {
    keys: KeyWrites,
    events: Vec<Event>,
}

type Answer<T> = wasmtime::Result<Result<T, wit::TaskError>>;

impl Plugin {
    pub(super) fn new(
        digest: Digest,
        pre: PluginPre<CallState>,
        imports: Vec<String>,
        capacity: Arc<Capacity>,
    ) -> Self {
        Self { digest, pre, imports: imports.into(), capacity }
    }

    /// The names of what the component imports.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// How much memory its code takes, in bytes.
    pub(super) fn code_bytes(&self) -> u64 {
        let code = self.pre.instance_pre().component().image_range();
        (code.end as u64).saturating_sub(code.start as u64)
    }

    /// Calls `plan` in a fresh sandbox.
    pub async fn plan(&self, job: &JobInput, surroundings: Surroundings<'_>) -> CallReport<PlanOutput> {
        let context = wit::JobContext::from(job);
        let key = job.idempotency_key();
        let report = self.call(surroundings, key, async |plugin, store| plugin.call_plan(store, &context).await).await;
        report.map(|stages, Kept { keys, events }| {
            Ok(PlanOutput { stages: stages.into_iter().map(declared).collect(), keys, events })
        })
    }

    /// Calls `run`, in a fresh sandbox or in the warm one that is given.
    pub async fn run(&self, task: &TaskInput<'_>, surroundings: Surroundings<'_>) -> CallReport<TaskOutput> {
        let context = wit::TaskContext::from(task);
        let output_bytes_max = surroundings.limits.call.output_bytes_max;
        let key = task.idempotency_key();
        let report = self.call(surroundings, key, async |plugin, store| plugin.call_run(store, &context).await).await;
        report.map(|output, Kept { keys, events }| {
            let (found, max) = (output.len(), output_bytes_max);
            if found as u64 > max {
                let message = format!("a task's output has at most {max} bytes, not {found} (output_limit_bytes)");
                return Err(Failure { kind: FailureKind::LimitExceeded, message });
            }
            Ok(TaskOutput { output, keys, events })
        })
    }

    /// Runs `export` in a sandbox, which is dropped at the end unless all went well and it is to be kept.
    async fn call<T>(
        &self,
        surroundings: Surroundings<'_>,
        idempotency_key: String,
        export: impl AsyncFnOnce(&Instance, &mut Store<CallState>) -> Answer<T>,
    ) -> CallReport<(T, Kept)> {
        let Surroundings { limits, keys, task, reach, party, mut warm, now } = surroundings;
        let task = MaybeTask { task, checkpoint_bytes_max: limits.call.checkpoint_bytes_max };
        let keys = KeyOverlay::new(keys, limits.key_bytes_max);
        let offers = Offers { keys, events: EventList::new(Arc::clone(&now)), task, idempotency_key };
        let kept = warm.as_mut().and_then(|warm| warm.take(party.job, self.digest));
        let mut cell = match kept {
            Some(mut cell) => {
                cell.store.data_mut().begin_call(offers);
                cell
            }
            None => {
                let place = self.capacity.place().await;
                let log = TaskLog::new(now, limits.call.log_bytes_max, reach.veil());
                match CallState::new(limits, offers, log.clone(), reach, &self.capacity.memory) {
                    Ok(state) => Cell::new(&self.pre, state, place),
                    Err(gone) => return CallReport::failed(FailureKind::Host, gone.to_string(), &log),
                }
            }
        };
        let job = party.job;
        let pace = Pace::new(Arc::clone(&self.capacity.turns), party, limits.call.cpu_max);
        cell.keep_pace(Arc::clone(&pace));
        let call = async {
            let (instance, store) = cell.enter(&self.pre).await?;
            export(instance, store).await
        };
        // The epoch makes a guest that only computes give way, so that this clock is also looked at.
        let answer = tokio::time::timeout(limits.timeout, pace.drive(call)).await;
        let state = cell.store.data_mut();
        let log = state.log.clone();
        let Ok(answer) = answer else {
            let message = format!("the call took longer than {} (timeout)", human_duration::format(limits.timeout));
            return CallReport::failed(FailureKind::Timeout, message, &log);
        };
        match answer {
            Ok(Ok(value)) => {
                let kept = Kept { keys: state.keys.take_writes(), events: state.events.take_events() };
                if let Some(warm) = warm.filter(|_| !self.capacity.is_wanted()) {
                    warm.keep(job, self.digest, cell);
                }
                CallReport { outcome: Outcome::Succeeded((value, kept)), log: log.take() }
            }
            Ok(Err(answer)) => {
                let (kind, message) = state.answered(answer);
                CallReport::failed(kind, message, &log)
            }
            Err(error) => {
                let (kind, message) = state.failure(&error, &limits.call);
                CallReport::failed(kind, message, &log)
            }
        }
    }
}

impl<T> CallReport<T> {
    fn failed(kind: FailureKind, message: String, log: &TaskLog) -> Self {
        let mut message = log.covered(message);
        if message.len() > MESSAGE_BYTES_MAX {
            message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
            message.push('…');
        }
        Self { outcome: Outcome::Failed(Failure { kind, message }), log: log.take() }
    }
}

impl<T> CallReport<(T, Kept)> {
    fn map<U>(self, done: impl FnOnce(T, Kept) -> Result<U, Failure>) -> CallReport<U> {
        let outcome = match self.outcome {
            Outcome::Succeeded((value, kept)) => done(value, kept).map_or_else(Outcome::Failed, Outcome::Succeeded),
            Outcome::Failed(failure) => Outcome::Failed(failure),
        };
        CallReport { outcome, log: self.log }
    }
}

fn declared(stage: wit::Stage) -> DeclaredStage {
    DeclaredStage { name: stage.name, tasks: stage.tasks, waits_for: stage.waits_for }
}
