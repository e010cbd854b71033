//! How long a call may go without an answer.
//!
//! The way to a server may break without a word: then nothing ever comes. What is only slow must not be given up for ever,
//! though, so a verb that was given up is given twice as long the next time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a call may take at first.
const AT_FIRST: Duration = Duration::from_secs(10);

/// The same for a heartbeat: it is a row, and a lease waits for it.
const HEARTBEAT: (&str, Duration) = ("renew_incarnation", Duration::from_secs(2));

/// How often that is doubled: to 160 s.
const DOUBLED_MAX: u32 = 4;

/// What each verb is given.
#[derive(Default)]
pub(super) struct Patience {
    doubled: Mutex<HashMap<&'static str, u32>>,
    /// Whether any has more than at first, so that an ordinary call takes no lock.
    is_stretched: AtomicBool,
}

impl Patience {
    /// How long a call may take.
    pub(super) fn of(&self, verb: &'static str) -> Duration {
        if verb == HEARTBEAT.0 {
            // That it is late is worth nothing.
            return HEARTBEAT.1;
        }
        let doubled = match self.is_stretched.load(Ordering::Relaxed) {
            true => self.doubled().get(verb).copied().unwrap_or_default(),
            false => 0,
        };
        AT_FIRST * 2_u32.pow(doubled)
    }

    /// Notes that a call was given up.
    pub(super) fn lost(&self, verb: &'static str) {
        let mut all = self.doubled();
        let doubled = all.entry(verb).or_default();
        *doubled = (*doubled + 1).min(DOUBLED_MAX);
        self.is_stretched.store(true, Ordering::Relaxed);
    }

    /// Notes that a call was answered.
    pub(super) fn kept(&self, verb: &'static str) {
        if self.is_stretched.load(Ordering::Relaxed) {
            let mut all = self.doubled();
            all.remove(verb);
            self.is_stretched.store(!all.is_empty(), Ordering::Relaxed);
        }
    }

    fn doubled(&self) -> MutexGuard<'_, HashMap<&'static str, u32>> {
        self.doubled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verb_that_was_given_up_gets_more_time_until_it_is_answered() {
        let patience = Patience::default();
        let seconds = |verb| patience.of(verb).as_secs();
        assert_eq!((seconds("record"), seconds("renew_incarnation")), (10, 2));
        patience.lost("record");
        assert_eq!((seconds("record"), seconds("component"), seconds("renew_incarnation")), (20, 10, 2));
        for _ in 0..9 {
            patience.lost("record");
            patience.lost("renew_incarnation");
        }
        assert_eq!((seconds("record"), seconds("renew_incarnation")), (160, 2));
        patience.kept("record");
        assert_eq!(seconds("record"), 10);
    }
}
