//! How many tasks of a job may begin each second on all hosts together: the generic cell rate algorithm, of which the
//! job's row keeps the state and each host reserves a little ahead.
//!
//! In any span of `t` seconds at most `1 + rate * (t + 0.2)` tasks of a job get the right to begin, however many hosts
//! there are, by clocks that agree; hosts whose clocks differ add what they differ by. A task is called when the commit
//! that names it has reached the disk, which takes its time after that.

use super::ids::JobId;
use super::timestamp::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a job that did not use its rate may make up for at once: a tenth of a second's tasks, beside the one that is
/// due. It is more than a timer is late, so that the rate is met on average, and too little to be felt as a burst.
const CREDIT_NS: i128 = 100 * NS_PER_MS;

/// How long a host may use what it has reserved.
const RESERVED_FOR: Duration = Duration::from_millis(100);

/// A row that is further ahead than this was written by a clock that has been set back since.
const AHEAD_MAX_NS: i128 = 60_000 * NS_PER_MS;

const NS_PER_MS: i128 = 1_000_000;

/// A wish to begin tasks of a job.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateAsk {
    /// The job.
    pub job: JobId,
    /// How many of its tasks may begin each second.
    pub rate: f64,
    /// How many could begin now.
    pub wanted: u32,
}

/// What a wish led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateGrant {
    /// How many tasks may begin.
    pub tasks: u32,
    /// When the next may.
    pub next_at: Timestamp,
}

/// Takes as many of the tasks that are wanted as may begin now: answers with them, and with the instant, in nanoseconds,
/// up to which the job's rate is used up then. `used_until` is what its row says, if there is one.
pub fn reserve(used_until: Option<i64>, ask: RateAsk, now: Timestamp) -> (RateGrant, i64) {
    let (now, spacing) = (ns(now), spacing(ask.rate));
    let used_until = used_until.map_or(now, |until| i128::from(until).max(now));
    let used_until = if used_until > now + spacing + AHEAD_MAX_NS { now } else { used_until };
    let credit = CREDIT_NS + now - used_until;
    let allowed = if credit < 0 { 0 } else { u32::try_from(credit / spacing + 1).unwrap_or(u32::MAX) };
    let tasks = ask.wanted.min(allowed);
    let used_until = used_until + spacing * i128::from(tasks);
    // Rounded up, or whoever waits until then would find that it is too early.
    let next_at = -(CREDIT_NS - used_until).div_euclid(NS_PER_MS);
    let grant = RateGrant { tasks, next_at: Timestamp::from_ms(i64::try_from(next_at).unwrap_or(i64::MAX)) };
    (grant, i64::try_from(used_until).unwrap_or(i64::MAX))
}

/// What a host has reserved of the rates of jobs.
#[derive(Debug, Default)]
pub struct Reservations(BTreeMap<JobId, Reservation>);

#[derive(Debug, Clone, Copy)]
struct Reservation {
    size: u32,
    left: u32,
    made_at: Timestamp,
    next_at: Timestamp,
}

impl Reservations {
    /// How many tasks of a job may begin now.
    pub fn left(&self, job: JobId, now: Timestamp) -> u32 {
        self.0.get(&job).map_or(0, |reservation| reservation.left_at(now))
    }

    /// How many to reserve for a job of which so many tasks could begin at once; none where some are left, or where it is
    /// too soon. A job that has used up what was reserved gets twice as much, as its lanes come back for more.
    pub fn to_reserve(&self, job: JobId, startable: u32, now: Timestamp) -> u32 {
        let Some(last) = self.0.get(&job) else { return startable };
        if last.left_at(now) > 0 || last.next_at > now && last.made_at <= now {
            return 0;
        }
        let is_used_up = last.left == 0 && last.is_good(now);
        if is_used_up { startable.max(last.size.saturating_mul(2)) } else { startable }
    }

    /// Takes in what was reserved at an instant.
    pub fn note(&mut self, job: JobId, grant: RateGrant, now: Timestamp) {
        // A job at rest is forgotten.
        self.0.retain(|_, last| last.is_good(now) || last.next_at > now);
        let RateGrant { tasks, next_at } = grant;
        self.0.insert(job, Reservation { size: tasks, left: tasks, made_at: now, next_at });
    }

    /// Notes that so many tasks of a job begin.
    pub fn begin(&mut self, job: JobId, tasks: u32) {
        if let Some(reservation) = self.0.get_mut(&job) {
            reservation.left = reservation.left.saturating_sub(tasks);
        }
    }

    /// When more may be reserved for a job.
    pub fn next_at(&self, job: JobId) -> Option<Timestamp> {
        self.0.get(&job).map(|reservation| reservation.next_at)
    }
}

impl Reservation {
    fn left_at(&self, now: Timestamp) -> u32 {
        if self.is_good(now) { self.left } else { 0 }
    }

    fn is_good(&self, now: Timestamp) -> bool {
        self.made_at <= now && now.since(self.made_at) < RESERVED_FOR
    }
}

/// The span between two tasks in nanoseconds, at least one.
fn spacing(rate: f64) -> i128 {
    ((1e9 / rate).round() as i128).max(1)
}

fn ns(at: Timestamp) -> i128 {
    i128::from(at.ms()) * NS_PER_MS
}

#[cfg(test)]
mod tests;
