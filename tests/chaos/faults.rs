//! What happens, and in which order.

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};

/// Something that goes wrong. Hosts are meant by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGKILL, and a start at once.
    Kill(usize),
    /// SIGKILL, and a start when others have taken over.
    KillForLong(usize),
    /// SIGSTOP, and SIGCONT when others have taken over.
    Pause(usize),
    /// Its cable is cut, and mended when the host has noticed.
    Cut(usize),
    /// Its cable is cut, and mended when others have taken over.
    CutForLong(usize),
    /// The server crashes and starts again.
    Crash,
    /// The server is stopped in order, and started when a host has noticed.
    Stop(usize),
}

/// All kinds of faults in an order, and at hosts, that a seed decides.
pub(crate) fn schedule(seed: u64, hosts: usize) -> Vec<Fault> {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut host = || dice.random_range(0..hosts);
    let mut faults = vec![
        Fault::Kill(host()),
        Fault::Kill(host()),
        Fault::KillForLong(host()),
        Fault::Pause(host()),
        Fault::Cut(host()),
        Fault::CutForLong(host()),
        Fault::Crash,
        Fault::Crash,
        Fault::Stop(host()),
    ];
    faults.shuffle(&mut dice);
    faults
}
