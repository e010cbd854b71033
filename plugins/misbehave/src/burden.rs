//! Acts that use up what the host limits: time, memory, log.

use latchwork_sdk::{TaskError, log};
use serde_json::Value;
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

const MIB: usize = 1 << 20;

/// Never returns, and calls nothing that could interrupt it.
pub(crate) fn spin() -> ! {
    loop {
        compute(u64::MAX);
    }
}

/// Computes for so many rounds, and calls nothing that could interrupt it.
pub(crate) fn compute(rounds: u64) -> Value {
    let mut done = 0_u64;
    while done < rounds {
        // Opaque, or the compiler would be free to make the loop as cheap as it likes.
        done = black_box(done.wrapping_add(1));
    }
    Value::Null
}

/// Takes memory and writes to it, until an allocation fails and aborts.
pub(crate) fn hog() -> ! {
    let mut held: Vec<Vec<u8>> = Vec::new();
    loop {
        held.push(black_box(vec![1; MIB]));
    }
}

/// Writes so many lines to the log and to stdout.
#[expect(clippy::print_stdout, reason = "stdout is one of the two things under test")]
pub(crate) fn chatter(lines: u32) -> Value {
    for line in 0..lines {
        log::info!("log line {line}");
        println!("stdout line {line}");
    }
    Value::Null
}

/// Counts the calls that this sandbox has served.
pub(crate) fn count(index: u32, trap: &[u32], fail: &[u32]) -> Result<Value, TaskError> {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
    if trap.contains(&index) {
        std::process::abort();
    }
    if fail.contains(&index) { Err(TaskError::fatal("as the payload says")) } else { Ok(calls.into()) }
}
