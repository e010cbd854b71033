//! What becomes of an interval whose incarnation died.

use super::progress::Progress;
use std::collections::BTreeMap;

/// An interrupted interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Casualty {
    /// Whether it recorded progress, and recovery is on for it.
    pub is_recoverable: bool,
    /// Whether it takes the place of one that could not be recovered.
    pub is_fallback: bool,
    /// How many recoveries before this one were followed by no settled task.
    pub fruitless: u32,
    /// Tasks done or failed now.
    pub settled: u64,
    /// Tasks done or failed when it was last recovered; none where it never was.
    pub settled_before: Option<u64>,
}

/// What is done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// Its open tasks run again.
    Resume {
        /// How many recoveries in a row, this one included, have followed no settled task.
        fruitless: u32,
    },
    /// It is closed as abandoned.
    Abandon {
        /// Why, for people.
        reason: String,
        /// Whether a replacement runs everything from the start.
        is_replaced: bool,
    },
}

/// Decides what becomes of an interrupted interval.
///
/// Only recoveries that led nowhere use up `attempts_max`: an interval that moves on may be interrupted any number of
/// times, while one whose host dies again and again before any task is settled ends in the fallback.
pub fn remedy(casualty: Casualty, attempts_max: u32) -> Remedy {
    if casualty.is_fallback {
        let reason = "the host stopped in the middle of a run without progress tracking, which takes the place of an \
                      interval that could not be recovered; it is not replaced again";
        return Remedy::Abandon { reason: reason.to_owned(), is_replaced: false };
    }
    if !casualty.is_recoverable {
        let reason = "the host stopped in the middle, and recovery is off: the next firing starts from the beginning";
        return Remedy::Abandon { reason: reason.to_owned(), is_replaced: false };
    }
    let moved_on = casualty.settled_before.is_none_or(|before| casualty.settled > before);
    let fruitless = if moved_on { 1 } else { casualty.fruitless + 1 };
    if fruitless > attempts_max {
        let reason = format!(
            "{attempts_max} recoveries in a row settled no task (MAX_RECOVERY_ATTEMPTS): everything runs again from the start"
        );
        return Remedy::Abandon { reason, is_replaced: true };
    }
    Remedy::Resume { fruitless }
}

/// A task that was in flight when its host died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupted {
    /// The task's offset in its segment.
    pub offset: u32,
    /// In how many crashes it was in flight, this one included.
    pub crashes: u32,
    /// What that makes of it.
    pub standing: Standing,
}

/// What a task's crashes make of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It runs again among the others.
    Clear,
    /// One more crash would fail it: it runs again alone, so that no other task is blamed for that crash, nor it for
    /// another's.
    Suspect,
    /// It was in flight in too many crashes: it is failed, so that the rest can complete.
    Poison,
}

impl Standing {
    fn after(crashes: u32, attempts_max: u32) -> Self {
        if crashes >= attempts_max {
            Self::Poison
        } else if crashes + 1 >= attempts_max {
            Self::Suspect
        } else {
            Self::Clear
        }
    }
}

/// Takes the tasks in flight off a dead host's segment.
///
/// `crashes` holds, by offset, in how many earlier crashes a task was in flight.
pub fn take_over(progress: &mut Progress, crashes: &BTreeMap<u32, u32>, attempts_max: u32) -> Vec<Interrupted> {
    let in_flight: Vec<u32> = progress.running().iter().collect();
    let mut interrupted = Vec::new();
    for offset in in_flight {
        let crashes = crashes.get(&offset).copied().unwrap_or(0) + 1;
        let standing = Standing::after(crashes, attempts_max);
        match standing {
            Standing::Clear | Standing::Suspect => progress.put_back(offset),
            Standing::Poison => progress.fail(offset),
        }
        interrupted.push(Interrupted { offset, crashes, standing });
    }
    interrupted
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: Casualty =
        Casualty { is_recoverable: true, is_fallback: false, fruitless: 0, settled: 0, settled_before: None };

    #[test]
    fn an_interval_that_moves_on_may_be_interrupted_any_number_of_times() {
        let mut casualty = FRESH;
        for crash in 1..100 {
            assert_eq!(remedy(casualty, 3), Remedy::Resume { fruitless: 1 });
            casualty = Casualty { fruitless: 1, settled: crash, settled_before: Some(casualty.settled), ..FRESH };
        }
    }

    #[test]
    fn recoveries_that_lead_nowhere_end_in_the_fallback() {
        let stuck = |fruitless| Casualty { fruitless, settled_before: Some(0), ..FRESH };
        assert_eq!(remedy(stuck(1), 3), Remedy::Resume { fruitless: 2 });
        assert_eq!(remedy(stuck(2), 3), Remedy::Resume { fruitless: 3 });
        assert!(matches!(remedy(stuck(3), 3), Remedy::Abandon { is_replaced: true, .. }));
    }

    #[test]
    fn without_recovery_the_interval_is_abandoned_and_not_replaced() {
        let casualty = Casualty { is_recoverable: false, ..FRESH };
        assert!(matches!(remedy(casualty, 3), Remedy::Abandon { is_replaced: false, .. }));
    }

    #[test]
    fn a_fallback_is_not_replaced_again_and_does_not_blame_the_settings() {
        let casualty = Casualty { is_recoverable: false, is_fallback: true, ..FRESH };
        let Remedy::Abandon { reason, is_replaced: false } = remedy(casualty, 3) else { panic!("it is abandoned") };
        assert!(!reason.contains("recovery is off"), "{reason}");
    }

    #[test]
    fn a_task_in_flight_in_too_many_crashes_is_failed_and_the_others_go_back() {
        let mut progress = Progress::none(10);
        progress.complete(0);
        progress.start(3);
        progress.start(4);
        progress.start(5);
        let interrupted = take_over(&mut progress, &BTreeMap::from([(4, 2), (5, 1)]), 3);
        assert_eq!(
            interrupted,
            [
                Interrupted { offset: 3, crashes: 1, standing: Standing::Clear },
                Interrupted { offset: 4, crashes: 3, standing: Standing::Poison },
                Interrupted { offset: 5, crashes: 2, standing: Standing::Suspect },
            ]
        );
        assert!(progress.is_idle(3) && progress.is_idle(5));
        assert!(progress.failed().contains(4));
        assert!(progress.done().contains(0));
    }
}
