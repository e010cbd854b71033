//! One call of a plugin, in a sandbox of its own or in a warm one.

use super::bindings::{Plugin as Instance, PluginPre, types as wit};
use super::capacity::Capacity;
use super::cell::{Cell, WarmCell};
use super::context::{IdempotencyKey, TaskInput};
use super::limits::MESSAGE_BYTES_MAX;
use super::log::TaskLog;
use super::pace::Pace;
use super::scope::Scope;
use super::state::{CallState, DirectoryGone, PerCall};
use super::task_side::TaskSide;
use crate::domain::digest::Digest;
use crate::domain::plan::DeclaredStage;
use crate::domain::task::{Event, Failure, FailureKind, KeyWrites, LogLine, Outcome, TaskOutput};
use std::pin::pin;
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

/// What is around a call.
pub struct Surroundings<'a> {
    /// How far it may go, and what it may reach.
    pub scope: &'a Arc<Scope>,
    /// What only a task can ask for; none for a plan.
    pub task: Option<Arc<dyn TaskSide>>,
    /// The sandbox of the call before, where the job wants that; none for a fresh one.
    pub warm: Option<&'a mut WarmCell>,
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

/// A task's output that is longer than it may be.
#[derive(Debug, thiserror::Error)]
#[error("a task's output has at most {max} bytes, not {found} (output_limit_bytes)")]
pub(super) struct OutputTooLarge {
    found: usize,
    max: u64,
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
    pub async fn plan(&self, surroundings: Surroundings<'_>) -> CallReport<PlanOutput> {
        let scope = surroundings.scope;
        let key = IdempotencyKey::Plan;
        let context = scope.job_context();
        let report = self.call(surroundings, key, async |plugin, store| plugin.call_plan(store, context).await).await;
        report.map(|stages, Kept { keys, events }| PlanOutput {
            stages: stages.into_iter().map(declared).collect(),
            keys,
            events,
        })
    }

    /// Calls `run`, in a fresh sandbox or in the warm one that is given.
    pub async fn run(&self, task: &TaskInput<'_>, surroundings: Surroundings<'_>) -> CallReport<TaskOutput> {
        let scope = surroundings.scope;
        let key = IdempotencyKey::Task(task.index);
        let key_text = key.text(&scope.ids);
        let context = task.context(scope.job_context(), &key_text);
        let max = scope.limits.call.output_bytes_max;
        let run = async |plugin: &Instance, store: &mut Store<CallState>| {
            let answer = plugin.call_run(store, context).await?;
            match &answer {
                Ok(output) if output.len() as u64 > max => Err(OutputTooLarge { found: output.len(), max }.into()),
                _ => Ok(answer),
            }
        };
        let report = self.call(surroundings, key, run).await;
        report.map(|output, Kept { keys, events }| TaskOutput { output, keys, events })
    }

    /// The warm cell, made ready for another call, or a fresh one.
    async fn cell(
        &self,
        scope: &Arc<Scope>,
        per_call: PerCall,
        warm: Option<&mut WarmCell>,
    ) -> Result<Cell, DirectoryGone> {
        if let Some(mut cell) = warm.and_then(|warm| warm.take(scope, self.digest)) {
            cell.begin_call(per_call);
            return Ok(cell);
        }
        let place = self.capacity.place().await;
        let state = CallState::new(scope, per_call, &self.capacity.memory)?;
        let pace = Pace::new(Arc::clone(&self.capacity.turns), Arc::clone(scope));
        Ok(Cell::new(&self.pre, state, pace, place))
    }

    /// Runs `export` in a sandbox, which is dropped at the end unless all went well and it is to be kept.
    async fn call<T>(
        &self,
        surroundings: Surroundings<'_>,
        key: IdempotencyKey,
        export: impl AsyncFnOnce(&Instance, &mut Store<CallState>) -> Answer<T>,
    ) -> CallReport<(T, Kept)> {
        let Surroundings { scope, task, mut warm } = surroundings;
        let cell = self.cell(scope, PerCall { task, key }, warm.as_deref_mut()).await;
        let mut cell = match cell {
            Ok(cell) => cell,
            Err(gone) => {
                let log = TaskLog::new(Arc::clone(scope));
                return CallReport::failed(FailureKind::Host, gone.to_string(), &log);
            }
        };
        let pace = Arc::clone(&cell.pace);
        let call = async {
            let (instance, store) = cell.enter(&self.pre).await?;
            export(instance, store).await
        };
        let answer = pace.drive(pin!(call)).await;
        let state = cell.store.data_mut();
        let answer = match answer {
            Ok(answer) => answer,
            Err(timed_out) => return CallReport::failed(FailureKind::Timeout, timed_out.to_string(), &state.log),
        };
        match answer {
            Ok(Ok(value)) => {
                // What is still on its way would tell its end, and its limit, to the next call. Asked before the log is taken:
                // where nothing is, nothing more is written.
                let is_idle = !state.outgoing.is_under_way();
                let kept = Kept { keys: state.keys.take_writes(), events: state.events.take_events() };
                let log = state.log.take();
                if let Some(warm) = warm.filter(|_| is_idle && !self.capacity.is_wanted()) {
                    warm.keep(self.digest, cell);
                }
                CallReport { outcome: Outcome::Succeeded((value, kept)), log }
            }
            Ok(Err(answer)) => {
                let (kind, message) = state.answered(answer);
                CallReport::failed(kind, message, &state.log)
            }
            Err(error) => {
                let (kind, message) = state.failure(&error, &scope.limits.call);
                CallReport::failed(kind, message, &state.log)
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
    fn map<U>(self, done: impl FnOnce(T, Kept) -> U) -> CallReport<U> {
        let outcome = match self.outcome {
            Outcome::Succeeded((value, kept)) => Outcome::Succeeded(done(value, kept)),
            Outcome::Failed(failure) => Outcome::Failed(failure),
        };
        CallReport { outcome, log: self.log }
    }
}

fn declared(stage: wit::Stage) -> DeclaredStage {
    DeclaredStage { name: stage.name, tasks: stage.tasks, waits_for: stage.waits_for }
}
