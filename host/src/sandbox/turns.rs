//! Turns at the processors among guests that compute for longer than an epoch.
//!
//! A short call never asks for one. A guest that is still computing when the epoch moves gives way, and goes on when it
//! is its job's turn; so a single call of one job gets as much of the processors as a thousand of another.

use crate::domain::turns::{Party, TurnQueue};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// As many turns at a time as there are processors.
pub(super) struct Turns(Mutex<Inner>);

struct Inner {
    free: usize,
    queue: TurnQueue<oneshot::Sender<Turn>>,
}

/// The right to compute; whoever drops it passes it on.
pub(super) struct Turn(Arc<Turns>);

impl Turns {
    pub(super) fn new(at_a_time: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Inner { free: at_a_time, queue: TurnQueue::default() })))
    }

    /// Returns when it is the party's turn.
    pub(super) async fn wait(self: &Arc<Self>, party: &Party) -> Turn {
        let passed_on = {
            let mut inner = self.lock();
            if inner.free > 0 {
                inner.free -= 1;
                return Turn(Arc::clone(self));
            }
            let (pass_on, passed_on) = oneshot::channel();
            inner.queue.push(party, pass_on);
            passed_on
        };
        passed_on.await.expect("whoever has a turn passes it on")
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who is next among those who still wait; none where the turn is free now.
    fn next(&self) -> Option<oneshot::Sender<Turn>> {
        let mut inner = self.lock();
        loop {
            match inner.queue.pop() {
                Some(gave_up) if gave_up.is_closed() => {}
                Some(next) => return Some(next),
                None => {
                    inner.free += 1;
                    return None;
                }
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(next) = self.0.next() {
            // Whoever has given up meanwhile gets it back in the error, and it is dropped, and passed on, once more.
            let _ = next.send(Self(Arc::clone(&self.0)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    fn party(job: u32) -> Party {
        Party { workspace: "w".into(), job: format!("{job:032x}").parse().unwrap(), weight: 1 }
    }

    #[test]
    fn a_turn_is_passed_on_and_whoever_gives_up_the_wait_is_left_out() {
        let turns = Turns::new(1);
        let [first, gives_up, last] = [1, 2, 3].map(party);
        let turn = turns.wait(&first).now_or_never().expect("one is free");
        let mut waiting = Box::pin(turns.wait(&last));
        {
            let given_up = Box::pin(turns.wait(&gives_up));
            assert!(given_up.now_or_never().is_none());
        }
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(turn);
        let turn = waiting.now_or_never().expect("it was passed on");
        drop(turn);
        assert_eq!(turns.lock().free, 1);
    }

    #[test]
    fn a_turn_that_nobody_takes_any_more_is_free_again() {
        let turns = Turns::new(1);
        let turn = turns.wait(&party(1)).now_or_never().unwrap();
        let other = party(2);
        let mut granted = Box::pin(turns.wait(&other));
        assert!(granted.as_mut().now_or_never().is_none());
        drop(turn);
        drop(granted);
        assert_eq!(turns.lock().free, 1);
    }
}
