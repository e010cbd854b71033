//! The segments that a host holds of one interval, and what it is about to record of them.

use crate::world::{A_LANE, START, World};
use latchwork::domain::ids::{IncarnationId, IntervalId, JobId, TaskIndex};
use latchwork::domain::task::{Failure, FailureKind};
use latchwork::domain::timestamp::Timestamp;
use latchwork::domain::worklist::{Retry, Settlement, Worklist};
use latchwork::store::{Batch, Claim, IntervalRecord, Recorded, Result, TaskRecord};

pub(crate) struct Hands {
    owner: IncarnationId,
    interval: IntervalId,
    job: JobId,
    list: Worklist,
    tasks: Vec<TaskRecord>,
}

impl Hands {
    /// Claims all that there is to claim.
    pub(crate) async fn on(world: &World, owner: IncarnationId, interval: IntervalId, now: Timestamp) -> Self {
        Self::on_some(world, owner, interval, u32::MAX, now).await
    }

    /// Claims so many segments at most.
    pub(crate) async fn on_some(
        world: &World,
        owner: IncarnationId,
        interval: IntervalId,
        limit: u32,
        now: Timestamp,
    ) -> Self {
        let IntervalRecord { job, reopened, .. } = world.view(interval).await;
        let mut list = Worklist::new(owner);
        for segment in
            world.claim_segments(Claim { owner, interval, reopened, lanes: A_LANE, limit, now }).await.unwrap()
        {
            list.hold(segment);
        }
        Self { owner, interval, job, list, tasks: Vec::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Begins so many tasks, and returns their indices with the number of each one's attempt.
    pub(crate) fn start(&mut self, tasks: usize, now: Timestamp) -> Vec<(u32, u32)> {
        let start = || self.list.start_next(now).or_else(|| self.list.start_suspect(now));
        let starts = std::iter::from_fn(start).take(tasks);
        starts.map(|start| (start.index.0, start.attempt)).collect()
    }

    pub(crate) fn complete(&mut self, indices: impl IntoIterator<Item = u32>) {
        for index in indices {
            assert!(self.list.settle(TaskIndex(index), Settlement::Completed));
        }
    }

    pub(crate) fn fail(&mut self, index: u32) {
        assert!(self.list.settle(TaskIndex(index), Settlement::Failed));
        self.note(index, |task| task.failure = Some((failure(FailureKind::Fatal), None)));
    }

    /// The first attempt failed and another is due at an instant.
    pub(crate) fn retry(&mut self, index: u32, due_at: Timestamp) {
        assert!(self.list.settle(TaskIndex(index), Settlement::Retried(Retry { attempts: 1, due_at })));
        self.note(index, |task| task.failure = Some((failure(FailureKind::Retryable), Some(due_at))));
    }

    /// Leaves more of a task than its bit.
    pub(crate) fn note(&mut self, index: u32, fill: impl FnOnce(&mut TaskRecord)) {
        let mut task = TaskRecord {
            interval: self.interval,
            job: self.job,
            index: TaskIndex(index),
            attempt: 1,
            failure: None,
            output: Vec::new(),
            keys: Default::default(),
            events: Vec::new(),
            log: Vec::new(),
            ends_checkpoint: false,
        };
        fill(&mut task);
        self.tasks.push(task);
    }

    /// Takes what has gathered.
    pub(crate) fn batch(&mut self) -> Batch {
        let segments = self.list.take_unsaved().into_iter().map(|update| (self.interval, update)).collect();
        Batch { segments, tasks: std::mem::take(&mut self.tasks) }
    }

    /// Records what has gathered.
    pub(crate) async fn record(&mut self, world: &World) -> Result<Recorded> {
        let batch = self.batch();
        world.record(self.owner, &batch, START).await
    }
}

pub(crate) fn failure(kind: FailureKind) -> Failure {
    Failure { kind, message: format!("it was {}", kind.name()) }
}
