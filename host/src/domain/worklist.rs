//! The segments of one interval that this incarnation holds: which task comes next, and what must be written.

use super::ids::{IncarnationId, TaskIndex};
use super::progress::Progress;
use super::segment::{SegmentEvent, SegmentState, Span};
use super::timestamp::Timestamp;
use std::collections::BTreeMap;

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
    /// Which attempt, from 1.
    pub attempt: u32,
    /// Larger on every later attempt at the task: the segment's epoch, then the attempt.
    pub fencing_token: u64,
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
    /// The state that it has after the write.
    pub state: SegmentState,
    /// How far it is after the write.
    pub progress: Progress,
}

/// The held segments of one interval.
#[derive(Debug)]
pub struct Worklist {
    owner: IncarnationId,
    held: BTreeMap<u32, Held>,
}

#[derive(Debug)]
struct Held {
    segment: LeasedSegment,
    /// No task below this offset is idle, those that wait for a retry aside.
    cursor: u32,
    is_unsaved: bool,
}

impl Worklist {
    /// A list that holds nothing yet.
    pub fn new(owner: IncarnationId) -> Self {
        Self { owner, held: BTreeMap::new() }
    }

    /// Takes in a segment that `owner` has claimed.
    pub fn hold(&mut self, segment: LeasedSegment) {
        self.held.insert(segment.span.number, Held { segment, cursor: 0, is_unsaved: false });
    }

    /// Forgets everything: another incarnation has taken it, or the interval has ended.
    pub fn clear(&mut self) {
        self.held.clear();
    }

    /// Whether it holds no segment.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// How many tasks could begin now.
    pub fn startable(&self, now: Timestamp) -> usize {
        self.held.values().map(|held| held.startable(now)).sum()
    }

    /// When the next retry of a held segment is due.
    pub fn next_retry_at(&self) -> Option<Timestamp> {
        self.held.values().filter_map(Held::next_retry_at).min()
    }

    /// Picks the next task and marks it as one that may have begun; the caller begins it when that is durable.
    pub fn start_next(&mut self, now: Timestamp) -> Option<Start> {
        self.held.values_mut().find_map(|held| held.start_next(now))
    }

    /// Notes how an attempt ended. False where the task's segment is no longer held: then nothing may be recorded.
    pub fn settle(&mut self, index: TaskIndex, settlement: Settlement) -> bool {
        let Some(held) = self.held.values_mut().find(|held| held.contains(index)) else { return false };
        held.settle(index, settlement);
        true
    }

    /// Takes what must be written since the last time; segments with nothing left to do are no longer held.
    pub fn take_unsaved(&mut self) -> Vec<SegmentUpdate> {
        let owner = self.owner;
        let updates: Vec<SegmentUpdate> =
            self.held.values_mut().filter(|held| held.is_unsaved).map(|held| held.save(owner)).collect();
        for update in &updates {
            if !matches!(update.state, SegmentState::Leased { .. }) {
                self.held.remove(&update.number);
            }
        }
        updates
    }
}

impl Held {
    fn contains(&self, index: TaskIndex) -> bool {
        let Span { first, length, .. } = self.segment.span;
        (first..first + length).contains(&index.0)
    }

    fn offset(&self, index: TaskIndex) -> u32 {
        index.0 - self.segment.span.first
    }

    fn index(&self, offset: u32) -> TaskIndex {
        TaskIndex(self.segment.span.first + offset)
    }

    fn startable(&self, now: Timestamp) -> usize {
        let due = self.segment.retries.values().filter(|retry| retry.due_at <= now).count();
        self.fresh() + due
    }

    /// How many tasks have neither begun nor ended nor wait for a retry.
    fn fresh(&self) -> usize {
        let progress = &self.segment.progress;
        let begun = progress.done().count() + progress.failed().count() + progress.running().count();
        (progress.length() - begun) as usize - self.segment.retries.len()
    }

    fn next_retry_at(&self) -> Option<Timestamp> {
        self.segment.retries.values().map(|retry| retry.due_at).min()
    }

    fn start_next(&mut self, now: Timestamp) -> Option<Start> {
        let (index, attempt) = self.due_retry(now).or_else(|| Some((self.next_fresh()?, 1)))?;
        self.segment.progress.start(self.offset(index));
        self.is_unsaved = true;
        let fencing_token = u64::from(self.segment.epoch) << 32 | u64::from(attempt);
        Some(Start { index, stage: self.segment.span.stage, attempt, fencing_token })
    }

    fn due_retry(&mut self, now: Timestamp) -> Option<(TaskIndex, u32)> {
        let (&index, &retry) = self.segment.retries.iter().find(|(_, retry)| retry.due_at <= now)?;
        self.segment.retries.remove(&index);
        Some((index, retry.attempts + 1))
    }

    fn next_fresh(&mut self) -> Option<TaskIndex> {
        while self.cursor < self.segment.span.length {
            let offset = self.cursor;
            self.cursor += 1;
            let index = self.index(offset);
            if self.segment.progress.is_idle(offset) && !self.segment.retries.contains_key(&index) {
                return Some(index);
            }
        }
        None
    }

    fn settle(&mut self, index: TaskIndex, settlement: Settlement) {
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

    fn save(&mut self, owner: IncarnationId) -> SegmentUpdate {
        self.is_unsaved = false;
        let leased = SegmentState::Leased { owner };
        let state = match self.ending() {
            Some(event) => leased.next(event).expect("a leased segment takes both endings"),
            None => leased,
        };
        SegmentUpdate { number: self.segment.span.number, state, progress: self.segment.progress.clone() }
    }

    fn ending(&self) -> Option<SegmentEvent> {
        if self.segment.progress.is_settled() {
            return Some(SegmentEvent::AllSettled);
        }
        let is_resting = self.segment.progress.running().count() == 0 && self.fresh() == 0;
        let until = self.next_retry_at().filter(|_| is_resting)?;
        Some(SegmentEvent::RetriesPending { until })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_ms(1_000);

    fn list_of(length: u32) -> Worklist {
        let mut list = Worklist::new(IncarnationId::generate());
        list.hold(LeasedSegment {
            span: Span { number: 0, stage: 0, first: 100, length },
            epoch: 2,
            progress: Progress::none(length),
            retries: BTreeMap::new(),
        });
        list
    }

    fn starts(list: &mut Worklist) -> Vec<u32> {
        std::iter::from_fn(|| list.start_next(NOW)).map(|start| start.index.0).collect()
    }

    #[test]
    fn every_index_is_started_once() {
        let mut list = list_of(5);
        assert_eq!(list.startable(NOW), 5);
        assert_eq!(starts(&mut list), [100, 101, 102, 103, 104]);
        assert_eq!(list.startable(NOW), 0);
    }

    #[test]
    fn only_what_is_open_is_started_after_a_recovery() {
        let mut progress = Progress::none(5);
        progress.complete(1);
        progress.fail(3);
        let mut list = list_of(1);
        list.hold(LeasedSegment {
            span: Span { number: 0, stage: 0, first: 0, length: 5 },
            epoch: 3,
            progress,
            retries: BTreeMap::new(),
        });
        assert_eq!(starts(&mut list), [0, 2, 4]);
    }

    #[test]
    fn a_settled_segment_is_written_as_done_and_let_go() {
        let mut list = list_of(2);
        starts(&mut list);
        assert!(list.settle(TaskIndex(100), Settlement::Completed));
        assert!(matches!(list.take_unsaved()[0].state, SegmentState::Leased { .. }));
        assert!(list.settle(TaskIndex(101), Settlement::Failed));
        let update = &list.take_unsaved()[0];
        assert_eq!((update.state, update.progress.done().count()), (SegmentState::Done, 1));
        assert!(list.is_empty());
        assert!(!list.settle(TaskIndex(101), Settlement::Completed), "it is no longer held");
    }

    #[test]
    fn a_retry_keeps_its_attempts_and_its_time_and_raises_the_fencing_token() {
        let mut list = list_of(2);
        let first = list.start_next(NOW).unwrap();
        let due_at = NOW + Duration::from_secs(1);
        list.settle(first.index, Settlement::Retried(Retry { attempts: 1, due_at }));
        let other = list.start_next(NOW).unwrap();
        assert_eq!(other.index, TaskIndex(101), "the retry is not due");
        assert_eq!(list.next_retry_at(), Some(due_at));
        let again = list.start_next(due_at).unwrap();
        assert_eq!((again.index, again.attempt), (first.index, 2));
        assert!(again.fencing_token > first.fencing_token);
    }

    #[test]
    fn a_segment_in_which_only_retries_are_left_is_given_back_until_the_first_is_due() {
        let mut list = list_of(2);
        starts(&mut list);
        let due_at = NOW + Duration::from_secs(9);
        list.settle(TaskIndex(100), Settlement::Retried(Retry { attempts: 1, due_at }));
        assert!(matches!(list.take_unsaved()[0].state, SegmentState::Leased { .. }), "the other task runs");
        list.settle(TaskIndex(101), Settlement::Completed);
        assert_eq!(list.take_unsaved()[0].state, SegmentState::Waiting { until: due_at });
        assert!(list.is_empty());
    }
}
