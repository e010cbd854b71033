//! Plays the rounds of a target until its time is over.

use crate::dice::Dice;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How long a target is played in the gate.
const SECONDS: u64 = 2;

/// No round takes so long, on a machine that is busy with other targets.
const ROUND_MAX: Duration = Duration::from_secs(60);

/// Plays a target; `round` may panic, and that is a failure.
pub(crate) fn fuzz(target: &'static str, round: impl Fn(&mut Dice) + Send + 'static) {
    let only = number("LATCHWORK_FUZZ_SEED");
    let for_long = Duration::from_secs(number("LATCHWORK_FUZZ_SECONDS").unwrap_or(SECONDS));
    let first = only.unwrap_or_else(|| rand::random::<u32>().into());
    let (played, heard) = mpsc::channel();
    let player = std::thread::spawn(move || {
        let give_up = Instant::now() + for_long;
        for seed in first.. {
            // The receiver stays until this side is gone.
            let _ = played.send(seed);
            let ended = catch_unwind(AssertUnwindSafe(|| round(&mut Dice::new(seed))));
            if let Err(panic) = ended {
                tell(&format!("{target} failed: LATCHWORK_FUZZ_SEED={seed} plays the round again"));
                resume_unwind(panic);
            }
            if only.is_some() || Instant::now() >= give_up {
                return;
            }
        }
    });
    let mut now = first;
    loop {
        match heard.recv_timeout(ROUND_MAX) {
            Ok(seed) => now = seed,
            Err(RecvTimeoutError::Disconnected) => break,
            // The thread is left alone: there is no way to end it but the end of the process.
            Err(RecvTimeoutError::Timeout) => panic!("{target} hangs: LATCHWORK_FUZZ_SEED={now} plays the round again"),
        }
    }
    player.join().unwrap_or_else(|panic| resume_unwind(panic));
    tell(&format!("{target}: {} rounds from seed {first}", now - first + 1));
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not `{text}`")))
}

/// Tells whoever runs the tests, also when they pass: the harness captures `println!`, not what is written here.
pub(crate) fn tell(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("stderr is open");
}
