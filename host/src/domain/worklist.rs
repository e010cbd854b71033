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
}

impl LeasedSegment {
    /// A segment that is claimed for the first time, and of which nothing has begun.
    pub fn fresh(span: Span) -> Self {
        let progress = Progress::none(span.length);
        Self { span, epoch: 1, progress, retries: BTreeMap::new(), suspects: BTreeSet::new() }
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
    held: BTreeMap<u32, HeldSegment>,
}

impl Worklist {
    /// A list that holds nothing yet.
    pub fn new(owner: IncarnationId) -> Self {
        Self { owner, held: BTreeMap::new() }
    }

    /// Takes in a segment that `owner` has claimed.
    pub fn hold(&mut self, segment: LeasedSegment) {
        self.held.insert(segment.span.number, HeldSegment::new(segment));
    }

    /// Forgets everything: another incarnation has taken it, or the interval has ended.
    pub fn clear(&mut self) {
        self.held.clear();
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

    /// Takes what must be written since the last time; segments with nothing left to do are no longer held.
    pub fn take_unsaved(&mut self) -> Vec<SegmentUpdate> {
        let owner = self.owner;
        let updates: Vec<SegmentUpdate> =
            self.held.values_mut().filter(|held| held.is_unsaved()).map(|held| held.save(owner)).collect();
        for update in &updates {
            if !matches!(update.state, SegmentState::Leased { .. }) {
                self.held.remove(&update.number);
            }
        }
        updates
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
            suspects: BTreeSet::new(),
        });
        list
    }

    fn list_with_suspects(length: u32, suspects: &[u32]) -> Worklist {
        let mut list = Worklist::new(IncarnationId::generate());
        list.hold(LeasedSegment {
            span: Span { number: 0, stage: 0, first: 0, length },
            epoch: 3,
            progress: Progress::none(length),
            retries: BTreeMap::new(),
            suspects: suspects.iter().copied().map(TaskIndex).collect(),
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
            suspects: BTreeSet::new(),
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

    #[test]
    fn suspects_run_one_by_one_after_all_others() {
        let mut list = list_with_suspects(4, &[0, 2]);
        assert_eq!(starts(&mut list), [1, 3]);
        assert_eq!((list.start_suspect(NOW), list.startable(NOW)), (None, 0), "others run");
        list.settle(TaskIndex(1), Settlement::Completed);
        list.settle(TaskIndex(3), Settlement::Completed);
        assert_eq!(list.startable(NOW), 1);
        assert_eq!(list.start_suspect(NOW).unwrap().index, TaskIndex(0));
        assert!(list.runs_suspect());
        list.hold(LeasedSegment {
            span: Span { number: 1, stage: 0, first: 4, length: 2 },
            epoch: 1,
            progress: Progress::none(2),
            retries: BTreeMap::new(),
            suspects: BTreeSet::new(),
        });
        assert_eq!(
            (list.start_next(NOW), list.start_suspect(NOW), list.startable(NOW)),
            (None, None, 0),
            "it is alone"
        );
        list.settle(TaskIndex(0), Settlement::Completed);
        assert_eq!(starts(&mut list), [4, 5]);
    }

    #[test]
    fn a_suspect_that_fails_is_retried_alone_when_its_time_has_come() {
        let mut list = list_with_suspects(1, &[0]);
        let due_at = NOW + Duration::from_secs(9);
        assert_eq!(list.start_suspect(NOW).unwrap().attempt, 1);
        list.settle(TaskIndex(0), Settlement::Retried(Retry { attempts: 1, due_at }));
        assert_eq!((list.startable(NOW), list.startable(due_at)), (0, 1));
        assert_eq!((list.start_suspect(NOW), list.start_next(due_at)), (None, None));
        assert_eq!(list.start_suspect(due_at).unwrap().attempt, 2);
    }
}
