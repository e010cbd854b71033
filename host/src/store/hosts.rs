//! What is asked of hosts, and what they tell.

use crate::domain::host::{HostProfile, Standing};
use crate::domain::ids::IncarnationId;
use crate::domain::timestamp::Timestamp;

/// One start of a host.
#[derive(Debug, Clone)]
pub struct Incarnation {
    /// Its identity.
    pub id: IncarnationId,
    /// The host that started; an earlier incarnation of the same host is dead from now on.
    pub host_id: String,
    /// When.
    pub started_at: Timestamp,
    /// What it takes on and offers.
    pub profile: HostProfile,
}

/// What an incarnation learns when it has renewed its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewal {
    /// Whether it was asked to finish and leave.
    pub is_draining: bool,
    /// What the database's own clock showed, where it has one.
    pub database_now: Option<Timestamp>,
}

/// How dead hosts' work is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Takeover {
    /// How many recoveries of the interval in a row will have followed nothing that was settled, with this one.
    pub fruitless: u32,
    /// In how many crashes a task may have been in flight before it is poison.
    pub attempts_max: u32,
    /// Leases that ran out before this instant are those of the dead.
    pub expired_before: Timestamp,
}

/// An incarnation as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRecord {
    /// Which.
    pub incarnation: IncarnationId,
    /// The host.
    pub host_id: String,
    /// What it takes on and offers.
    pub profile: HostProfile,
    /// When it started.
    pub started_at: Timestamp,
    /// How it stands.
    pub standing: Standing,
    /// Segments that it holds.
    pub held_segments: u64,
    /// Tasks of them that run.
    pub running: u64,
}

/// What became of a wish that a host finishes and leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// The host learns of it with its next heartbeat, if it has not already.
    Noted,
    /// There is no such host.
    Unknown,
    /// It ended at an instant and has not started again.
    Ended(Timestamp),
}
