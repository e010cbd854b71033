//! The memory of calls: each within what its job allows, and all within what the host has for them.

use super::limits::{Limits, TABLE_ELEMENTS_MAX};
use crate::domain::task::FailureKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wasmtime::ResourceLimiter;

/// What a table's element costs on this machine, in bytes.
const ELEMENT_BYTES: u64 = size_of::<usize>() as u64;

/// What all calls have together. It counts what they use, not what they may use: calls that wait for long and use little
/// keep nobody out.
pub(super) struct MemoryPool {
    bytes_max: u64,
    used: AtomicU64,
    calls: AtomicU64,
}

impl MemoryPool {
    pub(super) fn new(bytes_max: u64) -> Arc<Self> {
        Arc::new(Self { bytes_max, used: AtomicU64::new(0), calls: AtomicU64::new(0) })
    }

    /// Takes more for a call that would have `own` bytes then. As long as half is left everybody gets what it asks for; of
    /// the other half each may have an equal share, so that whoever uses much keeps nobody from using a little.
    fn take(&self, more: u64, own: u64) -> bool {
        let half = self.bytes_max / 2;
        let used = self.used.fetch_add(more, Ordering::Relaxed).saturating_add(more);
        let share = half / self.calls.load(Ordering::Relaxed).max(1);
        let fits = used <= half || own <= share && used <= self.bytes_max;
        if !fits {
            self.used.fetch_sub(more, Ordering::Relaxed);
        }
        fits
    }
}

/// Counts the memory of one sandbox, and gives it back with it.
pub(super) struct MemoryMeter {
    pool: Arc<MemoryPool>,
    used: u64,
    max: u64,
    refused: Option<Refused>,
}

/// What a call wanted of which it could not have so much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    Memory,
    Pool,
    TableElements,
}

impl MemoryMeter {
    pub(super) fn new(limits: Limits, pool: Arc<MemoryPool>) -> Self {
        pool.calls.fetch_add(1, Ordering::Relaxed);
        Self { pool, used: 0, max: limits.memory_bytes_max, refused: None }
    }

    /// Forgets what an earlier call was refused; what it has, a later one has, too.
    pub(super) fn begin_call(&mut self) {
        self.refused = None;
    }

    /// What the guest last asked for that it may not have, if it did. What the host has too little of another attempt may
    /// get.
    pub(super) fn refusal(&self) -> Option<(FailureKind, String)> {
        self.refused.map(|refused| match refused {
            Refused::Memory => {
                let message = format!("the call wanted more than {} bytes of memory (memory_limit_bytes)", self.max);
                (FailureKind::OutOfMemory, message)
            }
            Refused::Pool => {
                let message = format!(
                    "all calls of this host together have no more than {} bytes of memory, and this one more than its \
                     share (LATCHWORK_CALLS_MEMORY_BYTES_MAX)",
                    self.pool.bytes_max
                );
                (FailureKind::Host, message)
            }
            Refused::TableElements => {
                let message = format!("the call wanted a table of more than {TABLE_ELEMENTS_MAX} elements");
                (FailureKind::OutOfMemory, message)
            }
        })
    }

    fn grow(&mut self, by: u64) -> bool {
        let used = self.used.saturating_add(by);
        self.refused = if used > self.max {
            Some(Refused::Memory)
        } else if !self.pool.take(by, used) {
            Some(Refused::Pool)
        } else {
            self.used = used;
            return true;
        };
        false
    }
}

impl Drop for MemoryMeter {
    fn drop(&mut self) {
        self.pool.used.fetch_sub(self.used, Ordering::Relaxed);
        self.pool.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ResourceLimiter for MemoryMeter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current) as u64))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired > TABLE_ELEMENTS_MAX {
            self.refused = Some(Refused::TableElements);
            return Ok(false);
        }
        Ok(self.grow((desired.saturating_sub(current) as u64).saturating_mul(ELEMENT_BYTES)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::job::Policy;

    fn meter(pool: &Arc<MemoryPool>, memory_bytes_max: u64) -> MemoryMeter {
        let Policy { timeout, key_bytes_max, limits, .. } = Policy::default();
        MemoryMeter::new(Limits { timeout, memory_bytes_max, key_bytes_max, call: limits }, Arc::clone(pool))
    }

    #[test]
    fn a_call_has_no_more_than_its_job_allows() {
        let pool = MemoryPool::new(1_000);
        let mut call = meter(&pool, 100);
        assert!(call.grow(60) && call.grow(40) && !call.grow(1));
        let (kind, message) = call.refusal().unwrap();
        assert_eq!(kind, FailureKind::OutOfMemory);
        assert!(message.contains("more than 100 bytes"), "{message}");
    }

    #[test]
    fn whoever_has_much_is_refused_first_and_all_together_keep_within_the_pool() {
        let pool = MemoryPool::new(1_000);
        let mut large = meter(&pool, 10_000);
        assert!(large.grow(500), "nobody else needs it");
        let mut small: Vec<_> = (0..4).map(|_| meter(&pool, 10_000)).collect();
        assert!(!large.grow(1), "half is used, and it has more than a share");
        assert_eq!(large.refusal().unwrap().0, FailureKind::Host, "another attempt may get it");
        assert!(small.iter_mut().all(|call| call.grow(100)), "each gets its share of the other half");
        assert!(small.iter_mut().all(|call| !call.grow(1)));
        assert!(pool.used.load(Ordering::Relaxed) <= 1_000);
        drop(large);
        assert!(small[0].grow(100), "what was given back is there for others");
    }

    #[test]
    fn what_a_call_had_is_given_back_with_it() {
        let pool = MemoryPool::new(1_000);
        let mut call = meter(&pool, 300);
        assert!(call.grow(300) && !call.grow(1));
        drop(call);
        assert_eq!((pool.used.load(Ordering::Relaxed), pool.calls.load(Ordering::Relaxed)), (0, 0));
    }
}
