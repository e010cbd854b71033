//! The segments of one interval that this incarnation holds: which task comes next, and what must be written.

use super::held_segment::HeldSegment;
use super::ids::{IncarnationId, TaskIndex};
use super::progress::Progress;
use super::segment::{SegmentState, Span};
use super::timestamp::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// A segment as its claim hands it over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasedSegment {
    /// Where it lies.
    pub span: Span,
    /// How often it has been claimed.
    pub epoch: u32,
    /// How far it is.
    pub progress: Progress,
    /// Tasks that wait for another attempt, by index.
    pub retries: BTreeMap<TaskIndex, Retry>,
    /// Tasks that one more crash would fail as poison: each runs alone, so that no other is in flight in that crash.
    pub suspects: BTreeSet<TaskIndex>,
    /// Tasks of which an earlier attempt saved a checkpoint.
    pub checkpoints: BTreeSet<TaskIndex>,
}

impl LeasedSegment {
    /// A segment that is claimed for the first time, and of which nothing has begun.
    pub fn fresh(span: Span) -> Self {
        Self {
            span,
            epoch: 1,
            progress: Progress::none(span.length),
            retries: BTreeMap::new(),
            checkpoints: BTreeSet::new(),
            suspects: BTreeSet::new(),
        }
    }
}

/// A task that waits for another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Attempts that have failed.
    pub attempts: u32,
    /// When the next is due.
    pub due_at: Timestamp,
}

/// One attempt that may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// The task.
    pub index: TaskIndex,
    /// The stage's place in the plan.
    pub stage: u32,
    /// The segment's place in the interval.
    pub segment: u32,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// Larger on every later attempt at the task: the segment's epoch, then the attempt.
    pub fencing_token: u64,
    /// Whether an earlier attempt may have saved a checkpoint; an ordinary first attempt need not look for one.
    pub may_have_checkpoint: bool,
}

/// How an attempt was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// The task is done.
    Completed,
    /// The task failed for good.
    Failed,
    /// The task is tried again.
    Retried(Retry),
}

/// A segment's row as it must be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentUpdate {
    /// The segment's place in the interval.
    pub number: u32,
    /// The claim that the update rests on; the row of another one is not changed.
    pub epoch: u32,
    /// Its first task's index in the interval.
    pub first: u32,
    /// The state that it has after the write.
    pub state: SegmentState,
    /// How far it is after the write.
    pub progress: Progress,
    /// Larger with every write of the segment: its epoch, then the number of the write. It tells whether a write whose
    /// answer was lost has reached the row.
    pub revision: u64,
}

impl SegmentUpdate {
    /// Notes that what a completed task left could not be kept; false where the task is not among its own.
    ///
    /// The segment's state stays: the task is settled either way.
    pub fn refuse(&mut self, index: TaskIndex) -> bool {
        let is_own = (self.first..self.first + self.progress.length()).contains(&index.0);
        if is_own {
            self.progress.refuse(index.0 - self.first);
        }
        is_own
    }
}

/// The held segments of one interval.
#[derive(Debug)]
pub struct Worklist {
    owner: IncarnationId,
    held: BTreeMap<u32, HeldSegment>,
    /// Segments that are let go by a write that is under way: until it is done their rows name this incarnation.
    leaving: BTreeSet<u32>,
}

impl Worklist {
    /// A list that holds nothing yet.
    pub fn new(owner: IncarnationId) -> Self {
        Self { owner, held: BTreeMap::new(), leaving: BTreeSet::new() }
    }

    /// Takes in a segment that `owner` has claimed.
    pub fn hold(&mut self, segment: LeasedSegment) {
        self.held.insert(segment.span.number, HeldSegment::new(segment));
    }

    /// Forgets everything: another incarnation has taken it, or the interval has ended.
    pub fn clear(&mut self) {
        self.held.clear();
        self.leaving.clear();
    }

    /// Whether it holds no segment, and no row names this incarnation for its sake any more.
    pub fn is_at_rest(&self) -> bool {
        self.held.is_empty() && self.leaving.is_empty()
    }

    /// Whether a segment whose row names this incarnation is in good hands.
    pub fn knows(&self, number: u32) -> bool {
        self.held.contains_key(&number) || self.leaving.contains(&number)
    }

    /// Whether it holds no segment.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// How many tasks could begin now, beside those that run.
    pub fn startable(&self, now: Timestamp) -> usize {
        if self.runs_suspect() {
            return 0;
        }
        match self.held.values().map(|held| held.startable(now)).sum() {
            0 if self.ready_suspect(now).is_some() => 1,
            startable => startable,
        }
    }

    /// Whether a suspect runs, and so nothing else.
    pub fn runs_suspect(&self) -> bool {
        self.held.values().any(HeldSegment::runs_suspect)
    }

    /// When the next retry of a held segment is due.
    pub fn next_retry_at(&self) -> Option<Timestamp> {
        self.held.values().filter_map(HeldSegment::next_retry_at).min()
    }

    /// Picks the next task and marks it as one that may have begun; the caller begins it when that is durable.
    ///
    /// None while a suspect runs. Suspects are not among what it picks: see [`Self::start_suspect`].
    pub fn start_next(&mut self, now: Timestamp) -> Option<Start> {
        if self.runs_suspect() {
            return None;
        }
        self.held.values_mut().find_map(|held| held.start_next(now))
    }

    /// The same for a suspect; none as long as any other task runs or could begin.
    pub fn start_suspect(&mut self, now: Timestamp) -> Option<Start> {
        let (number, index) = self.ready_suspect(now)?;
        self.held.get_mut(&number).map(|held| held.start(index))
    }

    fn ready_suspect(&self, now: Timestamp) -> Option<(u32, TaskIndex)> {
        if self.held.values().any(|held| held.running() > 0 || held.startable(now) > 0) {
            return None;
        }
        self.held.iter().find_map(|(number, held)| held.ready_suspects(now).next().map(|index| (*number, index)))
    }

    /// Notes how an attempt ended. False where the task's segment is no longer held: then nothing may be recorded.
    pub fn settle(&mut self, index: TaskIndex, settlement: Settlement) -> bool {
        let Some(held) = self.held.values_mut().find(|held| held.contains(index)) else { return false };
        held.settle(index, settlement);
        true
    }

    /// Notes that what a completed task left could not be kept, where its segment is still held: the update that says
    /// so is the one that was taken before.
    pub fn refuse(&mut self, index: TaskIndex) {
        if let Some(held) = self.held.values_mut().find(|held| held.contains(index)) {
            held.refuse(index);
        }
    }

    /// Takes what must be written since the last time; segments with nothing left to do are no longer held. The caller
    /// says when it is written, see [`Self::saved`].
    pub fn take_unsaved(&mut self) -> Vec<SegmentUpdate> {
        let owner = self.owner;
        let updates: Vec<SegmentUpdate> =
            self.held.values_mut().filter(|held| held.is_unsaved()).map(|held| held.save(owner)).collect();
        for update in &updates {
            if !matches!(update.state, SegmentState::Leased { .. }) {
                self.held.remove(&update.number);
                self.leaving.insert(update.number);
            }
        }
        updates
    }

    /// Notes that what was taken is written.
    pub fn saved(&mut self) {
        self.leaving.clear();
    }
}

#[cfg(test)]
mod tests;
