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

    /// Lets a party wait in line, and only then passes on the turn that it has had: everybody who computes is in line then,
    /// and who comes next is decided here and not by whom the runtime happens to run. The answer may be there at once.
    pub(super) fn wait(self: &Arc<Self>, had: Option<Turn>, party: &Party) -> oneshot::Receiver<Turn> {
        let (pass_on, passed_on) = oneshot::channel();
        let free = {
            let mut inner = self.lock();
            inner.queue.push(party, pass_on);
            let is_free = had.is_none() && inner.free > 0;
            inner.free -= usize::from(is_free);
            is_free.then(|| Turn(Arc::clone(self)))
        };
        // Outside of the lock: dropping a turn passes it on.
        drop((had, free));
        passed_on
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

    fn party(job: u32) -> Party {
        Party { workspace: "w".into(), job: format!("{job:032x}").parse().unwrap(), weight: 1 }
    }

    #[test]
    fn a_turn_is_passed_on_and_whoever_gives_up_the_wait_is_left_out() {
        let turns = Turns::new(1);
        let [first, gives_up, last] = [1, 2, 3].map(party);
        let turn = turns.wait(None, &first).try_recv().expect("one is free");
        drop(turns.wait(None, &gives_up));
        let mut waiting = turns.wait(None, &last);
        assert!(waiting.try_recv().is_err());
        drop(turn);
        drop(waiting.try_recv().expect("it was passed on"));
        assert_eq!(turns.lock().free, 1);
    }

    #[test]
    fn whoever_gives_way_stands_in_line_before_the_turn_is_passed_on() {
        let turns = Turns::new(1);
        let [many, single] = [1, 2].map(party);
        let mut turn = turns.wait(None, &many).try_recv().unwrap();
        let mut others: Vec<_> = (0..9).map(|_| turns.wait(None, &many)).collect();
        // A call of the one job and the single one of the other take turns.
        for _ in 0..4 {
            let mut waiting = turns.wait(None, &single);
            others.push(turns.wait(Some(turn), &many));
            turn = turns.wait(Some(waiting.try_recv().expect("its turn")), &many).try_recv().unwrap_or_else(|_| {
                let next = others.iter_mut().find_map(|other| other.try_recv().ok());
                next.expect("one of the many")
            });
        }
        let alone = Turns::new(1);
        let turn = alone.wait(None, &single).try_recv().unwrap();
        assert!(alone.wait(Some(turn), &single).try_recv().is_ok(), "where nobody else waits it goes on");
    }

    #[test]
    fn a_turn_that_nobody_takes_any_more_is_free_again() {
        let turns = Turns::new(1);
        let turn = turns.wait(None, &party(1)).try_recv().unwrap();
        let granted = turns.wait(None, &party(2));
        drop(turn);
        drop(granted);
        assert_eq!(turns.lock().free, 1);
    }
}
