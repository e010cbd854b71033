//! One call of a plugin, in a sandbox of its own.

use super::bindings::{Plugin as Instance, PluginPre, types as wit};
use super::context::{JobInput, TaskInput};
use super::ending;
use super::events::EventList;
use super::keys::{KeyOverlay, KeyReader};
use super::limits::{HOSTCALL_BYTES_MAX, Limits, MESSAGE_BYTES_MAX, OUTPUT_BYTES_MAX};
use super::log::TaskLog;
use super::reach::Reach;
use super::state::{CallState, Offers};
use super::task_side::{MaybeTask, TaskSide};
use crate::domain::plan::DeclaredStage;
use crate::domain::task::{Event, Failure, FailureKind, KeyWrites, LogLine, Outcome, TaskOutput};
use crate::domain::timestamp::Timestamp;
use std::sync::Arc;
use tokio::sync::Semaphore;
use wasmtime::{Store, UpdateDeadline};

/// A checked and compiled component, ready to be called. Clones share the code.
#[derive(Clone)]
pub struct Plugin {
    pre: PluginPre<CallState>,
    imports: Arc<[String]>,
    permits: Arc<Semaphore>,
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
    pub(super) fn new(pre: PluginPre<CallState>, imports: Vec<String>, permits: Arc<Semaphore>) -> Self {
        Self { pre, imports: imports.into(), permits }
    }

    /// The names of what the component imports.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// Calls `plan` in a fresh sandbox.
    pub async fn plan(&self, job: &JobInput, surroundings: Surroundings<'_>) -> CallReport<PlanOutput> {
        let context = wit::JobContext::from(job);
        let report = self.call(surroundings, async |plugin, store| plugin.call_plan(store, &context).await).await;
        report.map(|stages, Kept { keys, events }| {
            Ok(PlanOutput { stages: stages.into_iter().map(declared).collect(), keys, events })
        })
    }

    /// Calls `run` in a fresh sandbox.
    pub async fn run(&self, task: &TaskInput<'_>, surroundings: Surroundings<'_>) -> CallReport<TaskOutput> {
        let context = wit::TaskContext::from(task);
        let report = self.call(surroundings, async |plugin, store| plugin.call_run(store, &context).await).await;
        report.map(|output, Kept { keys, events }| {
            if output.len() > OUTPUT_BYTES_MAX {
                let found = output.len();
                let message = format!("a task's output has at most {OUTPUT_BYTES_MAX} bytes, not {found}");
                return Err(Failure { kind: FailureKind::LimitExceeded, message });
            }
            Ok(TaskOutput { output, keys, events })
        })
    }

    /// Runs `export` in a fresh sandbox, which is dropped at the end whatever happened.
    async fn call<T>(
        &self,
        surroundings: Surroundings<'_>,
        export: impl AsyncFnOnce(&Instance, &mut Store<CallState>) -> Answer<T>,
    ) -> CallReport<(T, Kept)> {
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        let Surroundings { limits, keys, task, reach, now } = surroundings;
        let log = TaskLog::new(Arc::clone(&now));
        let keys = KeyOverlay::new(keys, limits.key_bytes_max);
        let offers = Offers { keys, events: EventList::new(now), task: MaybeTask(task) };
        let state = match CallState::new(limits, offers, log.clone(), reach) {
            Ok(state) => state,
            Err(gone) => return CallReport::failed(FailureKind::Host, gone.to_string(), &log),
        };
        let mut store = self.store(state);
        let call = async {
            let instance = self.pre.instantiate_async(&mut store).await?;
            export(&instance, &mut store).await
        };
        // The epoch makes a guest that only computes give way, so that this clock is also looked at.
        let Ok(answer) = tokio::time::timeout(limits.timeout, call).await else {
            let message = format!("the call took longer than {:?}", limits.timeout);
            // Before the log is taken: what the guest wrote without a line's end becomes a line then.
            drop(store);
            return CallReport::failed(FailureKind::Timeout, message, &log);
        };
        let CallState { memory, keys, events, has_hit_limit, .. } = store.into_data();
        match answer {
            Ok(Ok(value)) => {
                let kept = Kept { keys: keys.into_writes(), events: events.into_events() };
                CallReport { outcome: Outcome::Succeeded((value, kept)), log: log.take() }
            }
            Ok(Err(wit::TaskError::Retryable(message))) => CallReport::failed(FailureKind::Retryable, message, &log),
            // The plugin only passes on what the host has answered.
            Ok(Err(wit::TaskError::Fatal(message))) if has_hit_limit => {
                CallReport::failed(FailureKind::LimitExceeded, message, &log)
            }
            Ok(Err(wit::TaskError::Fatal(message))) => CallReport::failed(FailureKind::Fatal, message, &log),
            Err(error) => {
                let out_of_memory = memory.refusal().map(|message| (FailureKind::OutOfMemory, message));
                let (kind, message) = out_of_memory.unwrap_or_else(|| ending::failure(&error));
                CallReport::failed(kind, message, &log)
            }
        }
    }

    fn store(&self, state: CallState) -> Store<CallState> {
        let mut store = Store::new(self.pre.engine(), state);
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(HOSTCALL_BYTES_MAX);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));
        store
    }
}

impl<T> CallReport<T> {
    fn failed(kind: FailureKind, mut message: String, log: &TaskLog) -> Self {
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
