//! A segment in the hands of its incarnation: which of its tasks comes next, and what its row must say.

use super::ids::{IncarnationId, TaskIndex};
use super::segment::{SegmentEvent, SegmentState, Span};
use super::timestamp::Timestamp;
use super::worklist::{LeasedSegment, SegmentUpdate, Settlement, Start};

/// A segment that this incarnation holds.
#[derive(Debug)]
pub(super) struct HeldSegment {
    segment: LeasedSegment,
    /// No task below this offset is idle, suspects and those that wait for a retry aside.
    cursor: u32,
    is_unsaved: bool,
    /// How often it has been handed over to be written.
    writes: u32,
}

impl HeldSegment {
    pub(super) fn new(segment: LeasedSegment) -> Self {
        Self { segment, cursor: 0, is_unsaved: false, writes: 0 }
    }

    pub(super) fn contains(&self, index: TaskIndex) -> bool {
        let Span { first, length, .. } = self.segment.span;
        (first..first + length).contains(&index.0)
    }

    pub(super) fn is_unsaved(&self) -> bool {
        self.is_unsaved
    }

    /// How many tasks could begin beside others: all that are ready but the suspects.
    pub(super) fn startable(&self, now: Timestamp) -> usize {
        let due = self.segment.retries.values().filter(|retry| retry.due_at <= now).count();
        self.fresh() + due - self.ready_suspects(now).count()
    }

    /// Suspects that could begin now.
    pub(super) fn ready_suspects(&self, now: Timestamp) -> impl Iterator<Item = TaskIndex> {
        let is_due = move |index| self.segment.retries.get(index).is_none_or(|retry| retry.due_at <= now);
        let is_idle = |index: &TaskIndex| self.segment.progress.is_idle(self.offset(*index));
        self.segment.suspects.iter().filter(move |index| is_idle(index) && is_due(index)).copied()
    }

    /// How many of its tasks run.
    pub(super) fn running(&self) -> u32 {
        self.segment.progress.running().count()
    }

    /// Whether a suspect runs.
    pub(super) fn runs_suspect(&self) -> bool {
        self.segment.suspects.iter().any(|index| self.segment.progress.running().contains(self.offset(*index)))
    }

    pub(super) fn next_retry_at(&self) -> Option<Timestamp> {
        self.segment.retries.values().map(|retry| retry.due_at).min()
    }

    /// Starts a task that may run beside others.
    pub(super) fn start_next(&mut self, now: Timestamp) -> Option<Start> {
        let index = self.due_retry(now).or_else(|| self.next_fresh())?;
        Some(self.start(index))
    }

    /// Starts a task that is ready.
    pub(super) fn start(&mut self, index: TaskIndex) -> Start {
        let attempt = self.segment.retries.remove(&index).map_or(1, |retry| retry.attempts + 1);
        let may_have_checkpoint = attempt > 1 || self.segment.checkpoints.contains(&index);
        self.segment.progress.start(self.offset(index));
        self.is_unsaved = true;
        let fencing_token = u64::from(self.segment.epoch) << 32 | u64::from(attempt);
        let Span { number: segment, stage, .. } = self.segment.span;
        Start { index, stage, segment, attempt, fencing_token, may_have_checkpoint }
    }

    pub(super) fn settle(&mut self, index: TaskIndex, settlement: Settlement) {
        let offset = self.offset(index);
        let progress = &mut self.segment.progress;
        match settlement {
            Settlement::Completed => progress.complete(offset),
            Settlement::Failed => progress.fail(offset),
            Settlement::Retried(retry) => {
                progress.put_back(offset);
                self.segment.retries.insert(index, retry);
            }
        }
        self.is_unsaved = true;
    }

    pub(super) fn refuse(&mut self, index: TaskIndex) {
        let offset = self.offset(index);
        self.segment.progress.refuse(offset);
    }

    pub(super) fn save(&mut self, owner: IncarnationId) -> SegmentUpdate {
        self.is_unsaved = false;
        self.writes += 1;
        let revision = u64::from(self.segment.epoch) << 32 | u64::from(self.writes);
        let leased = SegmentState::Leased { owner };
        let state = match self.ending() {
            Some(event) => leased.next(event).expect("a leased segment takes both endings"),
            None => leased,
        };
        let LeasedSegment { span, epoch, ref progress, .. } = self.segment;
        let Span { number, first, .. } = span;
        SegmentUpdate { number, first, epoch, state, progress: progress.clone(), revision }
    }

    fn offset(&self, index: TaskIndex) -> u32 {
        index.0 - self.segment.span.first
    }

    /// How many tasks have neither begun nor ended nor wait for a retry.
    fn fresh(&self) -> usize {
        let progress = &self.segment.progress;
        let begun = progress.done().count() + progress.failed().count() + progress.running().count();
        (progress.length() - begun) as usize - self.segment.retries.len()
    }

    fn due_retry(&self, now: Timestamp) -> Option<TaskIndex> {
        let mut due = self.segment.retries.iter().filter(|(_, retry)| retry.due_at <= now).map(|(index, _)| *index);
        due.find(|index| !self.segment.suspects.contains(index))
    }

    fn next_fresh(&mut self) -> Option<TaskIndex> {
        while self.cursor < self.segment.span.length {
            let offset = self.cursor;
            self.cursor += 1;
            let index = TaskIndex(self.segment.span.first + offset);
            let is_set_apart = self.segment.retries.contains_key(&index) || self.segment.suspects.contains(&index);
            if self.segment.progress.is_idle(offset) && !is_set_apart {
                return Some(index);
            }
        }
        None
    }

    fn ending(&self) -> Option<SegmentEvent> {
        if self.segment.progress.is_settled() {
            return Some(SegmentEvent::AllSettled);
        }
        let is_resting = self.running() == 0 && self.fresh() == 0;
        let until = self.next_retry_at().filter(|_| is_resting)?;
        Some(SegmentEvent::RetriesPending { until })
    }
}
