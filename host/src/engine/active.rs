//! An interval that this incarnation works on.

use super::job_keys::JobKeys;
use crate::clock::Clock;
use crate::domain::ids::IncarnationId;
use crate::domain::plan::Stage;
use crate::domain::segment;
use crate::domain::task::{Failure, FailureKind, Outcome, TaskOutput};
use crate::domain::worklist::{LeasedSegment, Start, Worklist};
use crate::sandbox::{
    CallReport, Callable, GrantedDirectory, JobInput, KeyReader, Limits, PlanOutput, Surroundings, TaskInput,
};
use crate::store::{OpenInterval, Store};
use futures::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::JoinSet;

/// All that calls of one interval share.
pub(super) struct ActiveInterval {
    pub(super) open: OpenInterval,
    plugin: Arc<dyn Callable>,
    input: JobInput,
    limits: Limits,
    total: u32,
    keys: Arc<dyn KeyReader>,
    directories: Result<Vec<GrantedDirectory>, Failure>,
    clock: Arc<dyn Clock>,
    desk: Mutex<Desk>,
    lanes: Mutex<JoinSet<()>>,
}

/// What changes while the interval runs.
pub(super) struct Desk {
    /// The held segments.
    pub(super) worklist: Worklist,
    /// Lanes that run or wait for the recorder.
    pub(super) lanes: u32,
    /// Whether the store may have further segments to claim.
    pub(super) may_have_more: bool,
    /// Whether the interval has ended or passed to another host: nothing of it may be written any more.
    pub(super) is_over: bool,
}

impl ActiveInterval {
    pub(super) fn new(
        open: OpenInterval,
        plugin: Arc<dyn Callable>,
        directories: Result<Vec<GrantedDirectory>, Failure>,
        owner: IncarnationId,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let policy = open.work.policy;
        let worklist = Worklist::new(owner);
        Self {
            input: JobInput {
                workspace_id: open.workspace_id.clone(),
                job: open.job,
                job_name: open.job_name.clone(),
                interval: open.id,
                scheduled_at: open.scheduled_at,
                payload: open.work.payload.clone(),
                tasks: open.work.tasks.unwrap_or(1),
            },
            limits: Limits { timeout: policy.timeout, memory_bytes_max: policy.memory_bytes_max },
            total: open.stages.iter().map(|stage| stage.tasks).sum(),
            keys: Arc::new(JobKeys { store, job: open.job }),
            directories,
            desk: Mutex::new(Desk { worklist, lanes: 0, may_have_more: true, is_over: false }),
            lanes: Mutex::default(),
            open,
            plugin,
            clock,
        }
    }

    /// The same interval with the stages of its plan.
    pub(super) fn with_stages(mut self, stages: Vec<Stage>) -> Self {
        self.total = stages.iter().map(|stage| stage.tasks).sum();
        self.open.stages = stages;
        self
    }

    /// Takes in what a claim of at most [`Self::segments_max`] segments got.
    pub(super) fn hold(&self, segments: Vec<LeasedSegment>) {
        let may_have_more = segments.len() == self.segments_max() as usize;
        let mut desk = self.desk();
        desk.may_have_more = may_have_more;
        segments.into_iter().for_each(|segment| desk.worklist.hold(segment));
    }

    /// How many segments keep its lanes busy for a while.
    pub(super) fn segments_max(&self) -> u32 {
        let tasks = self.open.stages.iter().map(|stage| stage.tasks).max().unwrap_or(1);
        segment::shares_for(self.lanes_max(), tasks)
    }

    pub(super) fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lanes' tasks, so that they can be let go.
    pub(super) fn lanes(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many lanes the job allows.
    pub(super) fn lanes_max(&self) -> u32 {
        self.open.work.policy.max_parallel
    }

    /// Lets go of an interval that has ended or passed to another host: running calls are dropped where they are.
    pub(super) fn abandon(&self) {
        let mut desk = self.desk();
        desk.is_over = true;
        desk.worklist.clear();
        drop(desk);
        self.lanes().abort_all();
    }

    /// Calls the plugin's `plan`.
    pub(super) async fn plan(&self) -> CallReport<PlanOutput> {
        match self.surroundings() {
            Ok(surroundings) => guarded(self.plugin.plan(&self.input, surroundings)).await,
            Err(failure) => failed(failure),
        }
    }

    /// Calls the plugin's `run` for one task.
    pub(super) async fn call(&self, start: Start) -> CallReport<TaskOutput> {
        let stage = &self.open.stages[start.stage as usize];
        let task = TaskInput {
            job: &self.input,
            index: start.index,
            total: self.total,
            stage: &stage.name,
            stage_index: start.index.0 - stage.first,
            stage_total: stage.tasks,
            attempt: start.attempt,
            fencing_token: start.fencing_token,
        };
        match self.surroundings() {
            Ok(surroundings) => guarded(self.plugin.run(&task, surroundings)).await,
            Err(failure) => failed(failure),
        }
    }

    fn surroundings(&self) -> Result<Surroundings<'_>, Failure> {
        let clock = Arc::clone(&self.clock);
        Ok(Surroundings {
            limits: self.limits,
            keys: Arc::clone(&self.keys),
            directories: self.directories.as_ref().map_err(Clone::clone)?,
            now: Arc::new(move || clock.now()),
        })
    }
}

/// Turns a panic of the host in a call into a failed attempt: whatever a plugin can provoke must not stop its lane.
async fn guarded<T>(call: impl Future<Output = CallReport<T>>) -> CallReport<T> {
    let message = "the host panicked in this call; that is a fault of the host, its log says more";
    let panicked = |_| failed(Failure { kind: FailureKind::Host, message: message.to_owned() });
    AssertUnwindSafe(call).catch_unwind().await.unwrap_or_else(panicked)
}

fn failed<T>(failure: Failure) -> CallReport<T> {
    CallReport { outcome: Outcome::Failed(failure), log: Vec::new() }
}
