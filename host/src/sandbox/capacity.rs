//! What all calls of the host share: places in the pool, memory, and turns at the processors.

use super::turns::Turns;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::available_parallelism;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many sandboxes there are at a time: one for each lane of the host, which may keep it between two calls, and some
/// for plans. A full pool answers with an error and does not wait, so each call takes a permit first.
pub(super) const CALLS_MAX: u32 = 1_024 + 256;

/// The unit in which memory is given out: a page of wasm.
const PAGE: u64 = 64 << 10;

/// What is shared. Calls wait in line: a large one is not overtaken for ever by small ones.
pub(super) struct Capacity {
    calls: Arc<Semaphore>,
    memory: Arc<Semaphore>,
    pages_max: u32,
    waiting: AtomicU32,
    pub(super) turns: Arc<Turns>,
}

/// A call's right to a sandbox and to its memory, until it is dropped.
pub(super) struct Place {
    _call: OwnedSemaphorePermit,
    _memory: OwnedSemaphorePermit,
}

impl Capacity {
    /// One of which all calls together never have more than so much memory.
    pub(super) fn new(memory_bytes_max: u64) -> Arc<Self> {
        let pages_max = u32::try_from(memory_bytes_max / PAGE).unwrap_or(u32::MAX).max(1);
        Arc::new(Self {
            calls: Arc::new(Semaphore::new(CALLS_MAX as usize)),
            memory: Arc::new(Semaphore::new(pages_max as usize)),
            pages_max,
            waiting: AtomicU32::new(0),
            turns: Turns::new(available_parallelism().map_or(1, usize::from)),
        })
    }

    /// Waits for a sandbox that may use so much memory. One that may use more than there is gets all.
    pub(super) async fn place(&self, memory_bytes: u64) -> Place {
        let pages = u32::try_from(memory_bytes.div_ceil(PAGE)).unwrap_or(u32::MAX).min(self.pages_max);
        let free =
            (Arc::clone(&self.calls).try_acquire_owned(), Arc::clone(&self.memory).try_acquire_many_owned(pages));
        if let (Ok(call), Ok(memory)) = free {
            return Place { _call: call, _memory: memory };
        }
        let _waiting = Waiting::new(&self.waiting);
        let never_closed = "the semaphores are never closed";
        let call = Arc::clone(&self.calls).acquire_owned().await.expect(never_closed);
        let memory = Arc::clone(&self.memory).acquire_many_owned(pages).await.expect(never_closed);
        Place { _call: call, _memory: memory }
    }

    /// Whether somebody waits for what a sandbox that is kept for later takes up.
    pub(super) fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }
}

/// Counts one who waits, however the wait ends.
struct Waiting<'a>(&'a AtomicU32);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Half of the machine's memory; the other half is for whatever else runs on it, the host itself included.
pub(super) fn half_of_the_machine() -> u64 {
    let machine = rustix::system::sysinfo();
    machine.totalram.saturating_mul(u64::from(machine.mem_unit)) / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    #[test]
    fn calls_together_never_have_more_memory_than_there_is() {
        let capacity = Capacity::new(3 * PAGE);
        let first = capacity.place(2 * PAGE).now_or_never().expect("it is free");
        assert!(capacity.place(2 * PAGE).now_or_never().is_none());
        let small = capacity.place(1).now_or_never().expect("there is a page");
        let mut waiting = Box::pin(capacity.place(2 * PAGE));
        assert!(waiting.as_mut().now_or_never().is_none());
        assert!(capacity.is_wanted());
        drop((first, small));
        assert!(waiting.now_or_never().is_some());
        assert!(!capacity.is_wanted());
    }

    #[test]
    fn a_call_that_may_use_more_than_there_is_runs_alone() {
        let capacity = Capacity::new(3 * PAGE);
        let large = capacity.place(1 << 40).now_or_never().expect("it gets all there is");
        assert!(capacity.place(1).now_or_never().is_none());
        drop(large);
        assert!(capacity.place(1).now_or_never().is_some());
    }
}
