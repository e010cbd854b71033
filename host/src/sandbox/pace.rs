//! How long one call computes and takes, and when it gives way to others.

use super::scope::Scope;
use super::turns::{Turn, Turns};
use crate::domain::human_duration;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::task::coop::unconstrained;
use tokio::time::sleep_until;
use wasmtime::UpdateDeadline;

/// How many epochs pass before a guest that computes is asked again.
const EPOCHS: u64 = 1;

/// Shared by whoever drives a call and by the epoch that interrupts it.
pub(super) struct Pace {
    turns: Arc<Turns>,
    scope: Arc<Scope>,
    stretch: Mutex<Stretch>,
}

#[derive(Default)]
struct Stretch {
    used: Duration,
    /// Since when the call has been computing; none while it waits.
    since: Option<Instant>,
    turn: Option<Turn>,
}

/// A call that takes longer than it may.
#[derive(Debug, thiserror::Error)]
#[error("the call took longer than {} (timeout)", human_duration::format(*.0))]
pub(super) struct TimedOut(Duration);

/// A call that has computed for longer than it may.
#[derive(Debug, thiserror::Error)]
#[error("the call computed for longer than {} (cpu_limit)", human_duration::format(*.0))]
pub(super) struct CpuUsedUp(Duration);

impl Pace {
    pub(super) fn new(turns: Arc<Turns>, scope: Arc<Scope>) -> Arc<Self> {
        Arc::new(Self { turns, scope, stretch: Mutex::default() })
    }

    /// Whether it is that of a call within this scope.
    pub(super) fn is_of(&self, scope: &Arc<Scope>) -> bool {
        Arc::ptr_eq(&self.scope, scope)
    }

    /// Drives a call until it ends or its time is over, and counts the time in which it computes: between two waits, by
    /// the clock. So a busy machine counts against it a little.
    pub(super) async fn drive<T>(&self, mut call: Pin<&mut impl Future<Output = T>>) -> Result<T, TimedOut> {
        let timeout = self.scope.limits.timeout;
        let mut timer = pin!(None);
        let mut begun = None;
        poll_fn(|context| {
            let now = Instant::now();
            let begun = *begun.get_or_insert(now);
            self.lock().since = Some(now);
            if let Poll::Ready(answer) = call.as_mut().poll(context) {
                drop(self.end());
                return Poll::Ready(Ok(answer));
            }
            // A guest that waits for the host does not keep others from computing.
            drop(self.pause());
            // Made at the first wait: most calls have none. A guest that only computes waits when the epoch moves, and
            // what it has done with its share of the runtime's attention must not keep the timer from being looked at.
            if timer.is_none() {
                timer.set(Some(unconstrained(sleep_until((begun + timeout).into()))));
            }
            let over = timer.as_mut().as_pin_mut().expect("made above").poll(context);
            over.map(|()| Err(TimedOut(timeout)))
        })
        .await
    }

    /// Says what a guest does that is still computing when the epoch moves: it gives way, or has used up its time.
    pub(super) fn epoch_moved(self: &Arc<Self>) -> wasmtime::Result<UpdateDeadline> {
        let used = {
            let stretch = self.lock();
            stretch.used + stretch.since.map_or(Duration::ZERO, |since| since.elapsed())
        };
        let max = self.scope.limits.call.cpu_max;
        if used > max {
            return Err(CpuUsedUp(max).into());
        }
        let pace = Arc::clone(self);
        Ok(UpdateDeadline::YieldCustom(EPOCHS, Box::pin(async move { pace.give_way().await })))
    }

    async fn give_way(&self) {
        let had = self.lock().turn.take();
        let mut passed_on = self.turns.wait(had, &self.scope.party);
        let turn = match passed_on.try_recv() {
            Ok(turn) => {
                // Nobody else waits for one, but the runtime may have other work.
                step_aside().await;
                turn
            }
            Err(_) => passed_on.await.expect("whoever has a turn passes it on"),
        };
        self.lock().turn = Some(turn);
    }

    /// Leaves nothing for the next call in the same sandbox.
    fn end(&self) -> Stretch {
        std::mem::take(&mut *self.lock())
    }

    fn pause(&self) -> Option<Turn> {
        let mut stretch = self.lock();
        let computed = stretch.since.take().map_or(Duration::ZERO, |since| since.elapsed());
        stretch.used += computed;
        stretch.turn.take()
    }

    fn lock(&self) -> MutexGuard<'_, Stretch> {
        self.stretch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets the runtime's other work go first. It is not `yield_now`, which may wait until
/// its thread has nothing else to do.
async fn step_aside() {
    let mut has_been_aside = false;
    poll_fn(|context| {
        if has_been_aside {
            return Poll::Ready(());
        }
        has_been_aside = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
