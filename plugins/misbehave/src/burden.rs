//! Acts that use up what the host limits: time, memory, log.

use latchwork_sdk::log;
use serde_json::Value;
use std::hint::black_box;

const MIB: usize = 1 << 20;

/// Never returns, and calls nothing that could interrupt it.
pub(crate) fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        // Opaque, or the compiler would be free to make the loop as cheap as it likes.
        turns = black_box(turns.wrapping_add(1));
    }
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
