//! How long one call computes, and when it gives way to others.

use super::turns::{Turn, Turns};
use crate::domain::human_duration;
use crate::domain::turns::Party;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};
use wasmtime::UpdateDeadline;

/// How many epochs pass before a guest that computes is asked again.
const EPOCHS: u64 = 1;

/// Shared by whoever drives a call and by the epoch that interrupts it.
pub(super) struct Pace {
    turns: Arc<Turns>,
    party: Arc<Party>,
    cpu_max: Duration,
    stretch: Mutex<Stretch>,
}

#[derive(Default)]
struct Stretch {
    used: Duration,
    /// Since when the call has been computing; none while it waits.
    since: Option<Instant>,
    turn: Option<Turn>,
}

/// A call that has computed for longer than it may.
#[derive(Debug, thiserror::Error)]
#[error("the call computed for longer than {} (cpu_limit)", human_duration::format(*.0))]
pub(super) struct CpuUsedUp(Duration);

impl Pace {
    pub(super) fn new(turns: Arc<Turns>, party: Arc<Party>, cpu_max: Duration) -> Arc<Self> {
        Arc::new(Self { turns, party, cpu_max, stretch: Mutex::default() })
    }

    /// Drives a call, and counts the time in which it computes: between two waits, by the clock. So a busy machine counts
    /// against it a little.
    pub(super) async fn drive<T>(&self, call: impl Future<Output = T>) -> T {
        let mut call = pin!(call);
        poll_fn(|context| {
            self.lock().since = Some(Instant::now());
            let polled = call.as_mut().poll(context);
            // A guest that waits for the host does not keep others from computing.
            drop(self.pause());
            polled
        })
        .await
    }

    /// Says what a guest does that is still computing when the epoch moves: it gives way, or has used up its time.
    pub(super) fn epoch_moved(self: &Arc<Self>) -> wasmtime::Result<UpdateDeadline> {
        let used = {
            let stretch = self.lock();
            stretch.used + stretch.since.map_or(Duration::ZERO, |since| since.elapsed())
        };
        if used > self.cpu_max {
            return Err(CpuUsedUp(self.cpu_max).into());
        }
        let pace = Arc::clone(self);
        Ok(UpdateDeadline::YieldCustom(EPOCHS, Box::pin(async move { pace.give_way().await })))
    }

    async fn give_way(&self) {
        let turn = self.lock().turn.take();
        drop(turn);
        step_aside().await;
        let turn = self.turns.wait(&self.party).await;
        self.lock().turn = Some(turn);
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

/// Lets the runtime's other work go first, also where nobody waits for a turn. It is not `yield_now`, which may wait until
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
