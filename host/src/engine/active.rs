//! An interval that this incarnation works on.

use super::checkpoints::Checkpoints;
use super::job_keys::JobKeys;
use super::waits::{patiently, waits};
use crate::clock::Clock;
use crate::domain::ids::IncarnationId;
use crate::domain::plan::Stage;
use crate::domain::segment;
use crate::domain::shares::{HeldLanes, LaneAsk, LaneGrant, LaneShares};
use crate::domain::stage_order::StageOrder;
use crate::domain::task::{Failure, FailureKind, Outcome, TaskOutput};
use crate::domain::timestamp::Timestamp;
use crate::domain::turns::Party;
use crate::domain::worklist::{LeasedSegment, Start, Worklist};
use crate::sandbox::{
    CallReport, Callable, JobInput, Limits, PlanOutput, Reach, Scope, Surroundings, TaskInput, TaskSide, WarmCell,
};
use crate::store::{Claim, Claimed, HeldInterval, OpenInterval, Store, StoreError};
use futures::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tracing::warn;

/// Whoever claims again within this span has run through what it claimed before.
const SOON: Duration = Duration::from_millis(250);

/// All that calls of one interval share.
pub(super) struct ActiveInterval {
    pub(super) open: OpenInterval,
    pub(super) order: StageOrder,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) checkpoints: Checkpoints,
    pub(super) party: Arc<Party>,
    plugin: Arc<dyn Callable>,
    total: u32,
    scope: Result<Arc<Scope>, Failure>,
    desk: Mutex<Desk>,
    lanes: Mutex<JoinSet<()>>,
}

/// What the calls of all intervals use alike.
pub(super) struct Services {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) checkpoints: Checkpoints,
}

/// What changes while the interval runs.
pub(super) struct Desk {
    /// The held segments.
    pub(super) worklist: Worklist,
    /// Lanes that run or wait for the recorder, and how many there may be.
    pub(super) lanes: HeldLanes,
    /// Whether the store may have further segments to claim.
    pub(super) may_have_more: bool,
    /// Whether the interval has ended or passed to another host: nothing of it may be written any more.
    pub(super) is_over: bool,
    /// When it claimed segments last, and for how many times the tasks that its lanes need.
    claimed: Option<(Timestamp, u32)>,
}

impl Desk {
    /// Notes that what was taken from the worklist is written.
    pub(super) fn saved(&mut self) {
        self.worklist.saved();
        self.lanes.saved();
    }
}

impl ActiveInterval {
    pub(super) fn new(
        open: OpenInterval,
        plugin: Arc<dyn Callable>,
        reach: Result<Reach, Failure>,
        owner: IncarnationId,
        services: Services,
    ) -> Self {
        let Services { store, clock, checkpoints } = services;
        let worklist = Worklist::new(owner);
        let party = Arc::new(party(&open));
        Self {
            scope: reach.map(|reach| scope(&open, &party, reach, &store, &clock)),
            party,
            order: StageOrder::new(&open.stages),
            total: open.stages.iter().map(|stage| stage.tasks).sum(),
            store,
            checkpoints,
            desk: Mutex::new(Desk {
                worklist,
                lanes: HeldLanes::default(),
                may_have_more: true,
                is_over: false,
                claimed: None,
            }),
            lanes: Mutex::default(),
            open,
            plugin,
            clock,
        }
    }

    /// The same interval with the stages of its plan.
    pub(super) fn with_stages(mut self, stages: Vec<Stage>) -> Self {
        self.total = stages.iter().map(|stage| stage.tasks).sum();
        self.order = StageOrder::new(&stages);
        self.open.stages = stages;
        self
    }

    /// Takes in the segments that came with the plan; all lanes came with them.
    pub(super) fn hold_planned(&self, segments: Vec<LeasedSegment>) {
        let lanes = if segments.is_empty() { 0 } else { self.lanes_max() };
        self.hold(Claimed { lanes: LaneGrant { lanes, fair: lanes }, segments });
    }

    /// Takes in what a claim got.
    pub(super) fn hold(&self, claimed: Claimed) {
        let mut desk = self.desk();
        desk.lanes.take(claimed.lanes);
        desk.may_have_more = !claimed.segments.is_empty();
        claimed.segments.into_iter().for_each(|segment| desk.worklist.hold(segment));
    }

    /// Asks for all lanes that the host could run, and for segments that keep them busy for a while. Whoever comes back
    /// soon takes more, so that short tasks do not cost a claim for each handful.
    pub(super) fn claim(&self, owner: IncarnationId, room: u32, now: Timestamp) -> Claim {
        let mut desk = self.desk();
        let times = match desk.claimed {
            Some((at, times)) if now.since(at) < SOON => times.saturating_mul(2),
            _ => 1,
        };
        desk.claimed = Some((now, times));
        let wanted = self.lanes_max().min(desk.lanes.count().saturating_add(room));
        let limit = segment::count_for(wanted, times, self.segment_length());
        let lanes = desk.lanes.ask(self.lanes_max(), wanted);
        Claim { owner, interval: self.open.id, reopened: self.open.reopened, lanes, limit, now }
    }

    /// Asks for lanes alone where the rows show that this would change something: others want some, or have left some.
    pub(super) fn reconsider(
        &self,
        owner: IncarnationId,
        shares: &LaneShares,
        room: u32,
        now: Timestamp,
    ) -> Option<Claim> {
        let mut desk = self.desk();
        let startable = u32::try_from(desk.worklist.startable(now)).unwrap_or(u32::MAX);
        let (max, count) = (self.lanes_max(), desk.lanes.count());
        let could_use = if desk.may_have_more { max } else { startable };
        let wanted = max.min(count.saturating_add(could_use.min(room)));
        let ask = LaneAsk { max, in_use: desk.lanes.in_use(), wanted };
        if desk.is_over || desk.worklist.is_at_rest() {
            return None;
        }
        let granted = desk.lanes.granted();
        if !shares.is_worth_asking(owner, ask, granted, now) {
            desk.lanes.limit(shares.fair(owner, ask, now));
            return None;
        }
        let lanes = desk.lanes.ask(max, wanted);
        Some(Claim { owner, interval: self.open.id, reopened: self.open.reopened, lanes, limit: 0, now })
    }

    /// How many segments its planner takes, for all of its lanes.
    pub(super) fn segments_max(&self) -> u32 {
        segment::count_for(self.lanes_max(), 1, self.segment_length())
    }

    fn segment_length(&self) -> u32 {
        let tasks = self.open.stages.iter().map(|stage| stage.tasks).max().unwrap_or(1);
        segment::length_for(tasks, self.lanes_max())
    }

    pub(super) fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lanes' tasks, so that they can be let go.
    pub(super) fn lanes(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which interval it is, and which life of it.
    pub(super) fn held(&self) -> HeldInterval {
        HeldInterval { id: self.open.id, reopened: Some(self.open.reopened) }
    }

    /// How many lanes the job allows, all hosts together.
    pub(super) fn lanes_max(&self) -> u32 {
        self.open.work.policy.max_parallel
    }

    /// How many lanes it has, and how many more could begin a task now.
    pub(super) fn lanes_wanted(&self, now: Timestamp) -> (u32, u32) {
        let desk = self.desk();
        let startable = u32::try_from(desk.worklist.startable(now)).unwrap_or(u32::MAX);
        // Lanes that run take up tasks, too, as they come free; at worst a new lane finds nothing and rests.
        (desk.lanes.count(), desk.lanes.free().min(startable))
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
        match self.surroundings(None) {
            Ok(surroundings) => guarded(self.plugin.plan(surroundings)).await,
            Err(failure) => failed(failure),
        }
    }

    /// Calls the plugin's `run` for one task, with what an earlier attempt saved.
    pub(super) async fn call(
        &self,
        start: Start,
        checkpoint: Option<Vec<u8>>,
        side: Arc<dyn TaskSide>,
        warm: &mut WarmCell,
    ) -> CallReport<TaskOutput> {
        let stage = &self.open.stages[start.stage as usize];
        let task = TaskInput {
            index: start.index,
            total: self.total,
            stage: &stage.name,
            stage_index: start.index.0 - stage.first,
            stage_total: stage.tasks,
            attempt: start.attempt,
            fencing_token: start.fencing_token,
            checkpoint,
        };
        match self.surroundings(Some(side)) {
            Ok(surroundings) => {
                guarded(self.plugin.run(&task, Surroundings { warm: Some(warm), ..surroundings })).await
            }
            Err(failure) => failed(failure),
        }
    }

    /// What an earlier attempt saved last. A store that does not answer is asked again: that it was away must not cost
    /// the task an attempt. One that cannot be read is none.
    pub(super) async fn checkpoint(&self, start: Start) -> Option<Vec<u8>> {
        if !start.may_have_checkpoint {
            return None;
        }
        let (id, index) = (self.open.id, start.index);
        let mut waits = waits();
        loop {
            match patiently(&*self.clock, || self.store.checkpoint(id, index)).await {
                Ok(checkpoint) => return checkpoint,
                Err(damage @ StoreError::Unreadable { .. }) => {
                    warn!(interval.id = %id, "Task {index} of interval {id} begins without its checkpoint: {damage}");
                    return None;
                }
                Err(error) => {
                    warn!(error = &error as &dyn std::error::Error, "A checkpoint cannot be read just now");
                    self.clock.sleep_for(waits.next().expect("they have no end")).await;
                }
            }
        }
    }

    fn surroundings(&self, task: Option<Arc<dyn TaskSide>>) -> Result<Surroundings<'_>, Failure> {
        Ok(Surroundings { scope: self.scope.as_ref().map_err(Clone::clone)?, task, warm: None })
    }
}

/// For whom calls of the interval compute.
fn party(open: &OpenInterval) -> Party {
    Party { workspace: open.workspace_id.as_str().into(), job: open.job, weight: open.work.policy.weight }
}

fn scope(
    open: &OpenInterval,
    party: &Arc<Party>,
    reach: Reach,
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
) -> Arc<Scope> {
    let job = JobInput {
        workspace_id: open.workspace_id.clone(),
        job: open.job,
        job_name: open.job_name.clone(),
        interval: open.id,
        scheduled_at: open.scheduled_at,
        payload: open.work.payload.clone(),
        tasks: open.work.tasks.unwrap_or(1),
    };
    let policy = &open.work.policy;
    let limits = Limits {
        timeout: policy.timeout,
        memory_bytes_max: policy.memory_bytes_max,
        key_bytes_max: policy.key_bytes_max,
        call: policy.limits,
    };
    let keys = Arc::new(JobKeys { store: Arc::clone(store), clock: Arc::clone(clock), job: open.job });
    let clock = Arc::clone(clock);
    Scope::new(job, limits, Arc::clone(party), reach, keys, move || clock.now())
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
