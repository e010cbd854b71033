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
        checkpoints: BTreeSet::new(),
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
        checkpoints: BTreeSet::new(),
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
        checkpoints: BTreeSet::new(),
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
fn a_segment_is_known_until_the_write_that_lets_it_go_is_done() {
    let mut list = list_of(1);
    assert!(list.knows(0) && !list.knows(1));
    starts(&mut list);
    list.settle(TaskIndex(100), Settlement::Completed);
    list.take_unsaved();
    assert!(list.is_empty() && !list.is_at_rest() && list.knows(0), "its row still names this incarnation");
    list.saved();
    assert!(list.is_at_rest() && !list.knows(0));
}

#[test]
fn every_write_of_a_segment_has_a_larger_revision_and_a_later_epoch_larger_ones() {
    let (mut list, mut later) = (list_of(2), list_of(2));
    let write = |list: &mut Worklist| {
        list.start_next(NOW).unwrap();
        list.take_unsaved()[0].revision
    };
    let (first, second) = (write(&mut list), write(&mut list));
    later.hold(LeasedSegment {
        span: Span { number: 0, stage: 0, first: 100, length: 2 },
        epoch: 3,
        progress: Progress::none(2),
        retries: BTreeMap::new(),
        checkpoints: BTreeSet::new(),
        suspects: BTreeSet::new(),
    });
    assert!(first < second && second < write(&mut later));
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
        checkpoints: BTreeSet::new(),
    });
    assert_eq!((list.start_next(NOW), list.start_suspect(NOW), list.startable(NOW)), (None, None, 0), "it is alone");
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

#[test]
fn only_retries_and_tasks_with_a_checkpoint_look_for_one() {
    let mut list = list_of(2);
    list.hold(LeasedSegment {
        span: Span { number: 1, stage: 0, first: 0, length: 2 },
        epoch: 2,
        progress: Progress::none(2),
        retries: BTreeMap::new(),
        suspects: BTreeSet::new(),
        checkpoints: BTreeSet::from([TaskIndex(1)]),
    });
    let starts: Vec<Start> = std::iter::from_fn(|| list.start_next(NOW)).collect();
    let looks = |start: &Start| (start.index.0, start.may_have_checkpoint);
    assert_eq!(starts.iter().map(looks).collect::<Vec<_>>(), [(100, false), (101, false), (0, false), (1, true)]);
    list.settle(TaskIndex(100), Settlement::Retried(Retry { attempts: 1, due_at: NOW }));
    assert!(list.start_next(NOW).unwrap().may_have_checkpoint);
}

#[test]
fn a_completion_that_is_refused_is_a_failure_in_the_row_and_in_memory() {
    let mut list = list_of(3);
    starts(&mut list);
    list.settle(TaskIndex(100), Settlement::Completed);
    let mut update = list.take_unsaved().remove(0);
    assert!(update.refuse(TaskIndex(100)) && !update.refuse(TaskIndex(7)));
    list.refuse(TaskIndex(100));
    list.settle(TaskIndex(101), Settlement::Completed);
    let next = list.take_unsaved().remove(0);
    for progress in [&update.progress, &next.progress] {
        assert!(progress.failed().contains(0) && !progress.done().contains(0));
    }
}
