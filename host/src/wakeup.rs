//! A nudge between those who change rows and those who look at them. Polling is the truth; a nudge makes it sooner.

use crate::domain::hint::Hint;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Wakes one loop. A nudge that comes while the loop is busy makes it look once more.
#[derive(Debug, Clone, Default)]
pub struct Wakeup {
    loops: Arc<Notify>,
    abroad: Option<(Hint, Arc<Outbox>)>,
}

impl Wakeup {
    fn telling(hint: Hint, outbox: &Arc<Outbox>) -> Self {
        Self { loops: Arc::default(), abroad: Some((hint, Arc::clone(outbox))) }
    }

    /// Wakes the loop now, or when it next waits.
    pub fn nudge(&self) {
        self.loops.notify_one();
    }

    /// The same, and lets other hosts know. For what they may take up: it costs each of them a look.
    pub fn nudge_everywhere(&self) {
        self.nudge();
        if let Some((hint, outbox)) = &self.abroad {
            outbox.put(*hint);
        }
    }

    /// Returns at the next nudge, at once where one came since the last time.
    pub async fn nudged(&self) {
        self.loops.notified().await;
    }
}

/// The loops that others wake.
#[derive(Debug, Clone)]
pub struct Wakeups {
    /// A job's schedule is new or changed.
    pub scheduler: Wakeup,
    /// There is an interval to plan, or segments or lanes to take.
    pub executor: Wakeup,
    /// Intervals were ended that a host may work on.
    pub ended: Wakeup,
    /// There is a backfill to begin.
    pub backfiller: Wakeup,
    outbox: Arc<Outbox>,
}

impl Default for Wakeups {
    fn default() -> Self {
        let outbox = Arc::default();
        Self {
            scheduler: Wakeup::telling(Hint::Schedules, &outbox),
            executor: Wakeup::telling(Hint::Work, &outbox),
            ended: Wakeup::telling(Hint::Ends, &outbox),
            backfiller: Wakeup::telling(Hint::Backfills, &outbox),
            outbox,
        }
    }
}

impl Wakeups {
    /// Wakes the loop of which another host has told.
    pub fn heard(&self, hint: Hint) {
        match hint {
            Hint::Schedules => self.scheduler.nudge(),
            Hint::Work => self.executor.nudge(),
            Hint::Ends => self.ended.nudge(),
            Hint::Backfills => self.backfiller.nudge(),
        }
    }

    /// Waits for something to tell other hosts, and takes all of it.
    pub async fn to_tell(&self) -> Vec<Hint> {
        loop {
            let hints = self.outbox.take();
            if !hints.is_empty() {
                return hints.into_iter().collect();
            }
            self.outbox.filled.notified().await;
        }
    }
}

/// What is to be told to other hosts: the same once, however often it happened.
#[derive(Debug, Default)]
struct Outbox {
    hints: Mutex<BTreeSet<Hint>>,
    filled: Notify,
}

impl Outbox {
    fn put(&self, hint: Hint) {
        self.hints.lock().unwrap_or_else(PoisonError::into_inner).insert(hint);
        self.filled.notify_one();
    }

    fn take(&self) -> BTreeSet<Hint> {
        std::mem::take(&mut self.hints.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_happens_often_is_told_once_and_what_is_heard_is_not_told_again() {
        let wakeups = Wakeups::default();
        for _ in 0..100 {
            wakeups.executor.nudge_everywhere();
        }
        wakeups.ended.nudge_everywhere();
        wakeups.scheduler.nudge();
        wakeups.heard(Hint::Backfills);
        wakeups.backfiller.nudged().await;
        assert_eq!(wakeups.to_tell().await, [Hint::Work, Hint::Ends]);
        assert!(wakeups.outbox.take().is_empty());
    }
}
