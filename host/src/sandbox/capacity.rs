//! What all calls of the host share: places in the pool, memory, and turns at the processors.

use super::memory::MemoryPool;
use super::turns::Turns;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::available_parallelism;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many sandboxes there are at a time: one for each lane of the host, which may keep it between two calls, and some
/// for plans. A full pool answers with an error and does not wait, so each call takes a permit first.
pub(super) const CALLS_MAX: u32 = 1_024 + 256;

/// What is shared.
pub(super) struct Capacity {
    calls: Arc<Semaphore>,
    waiting: AtomicU32,
    pub(super) memory: Arc<MemoryPool>,
    pub(super) turns: Arc<Turns>,
}

/// A call's right to a sandbox, until it is dropped.
pub(super) struct Place(#[expect(dead_code, reason = "it is held")] OwnedSemaphorePermit);

impl Capacity {
    /// One of which all calls together never have more than so much memory.
    pub(super) fn new(memory_bytes_max: u64) -> Arc<Self> {
        Arc::new(Self {
            calls: Arc::new(Semaphore::new(CALLS_MAX as usize)),
            waiting: AtomicU32::new(0),
            memory: MemoryPool::new(memory_bytes_max),
            turns: Turns::new(available_parallelism().map_or(1, usize::from)),
        })
    }

    /// Waits for a sandbox.
    pub(super) async fn place(&self) -> Place {
        if let Ok(free) = Arc::clone(&self.calls).try_acquire_owned() {
            return Place(free);
        }
        let _waiting = Waiting::new(&self.waiting);
        Place(Arc::clone(&self.calls).acquire_owned().await.expect("the semaphore is never closed"))
    }

    /// Whether somebody waits for a sandbox, as one that is kept for later takes up a place.
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
