//! Writes what has gathered until it is written, or until it is known that it never can be.

use super::fallback;
use super::recorder::{Recorder, Round};
use super::waits::waits;
use crate::domain::ids::{IntervalId, SegmentId};
use crate::store::{Batch, Recorded, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use tracing::{error, warn};

/// How the writing of a batch ended.
enum Written {
    /// All that could be written is.
    Done(Recorded),
    /// Rows of one of its intervals are damaged.
    Damaged(Batch, String),
}

impl Recorder {
    /// Writes a round. What lost its lease is given up: those tasks belong to whoever took over. An interval whose rows
    /// are damaged is abandoned, and the others are written without it.
    pub(super) async fn commit(&self, round: &mut Round) -> Recorded {
        let mut recorded = Recorded::default();
        let mut parts = vec![std::mem::take(&mut round.batch)];
        while let Some(part) = parts.pop() {
            match self.write(part, round).await {
                Written::Done(more) => {
                    recorded.ended.extend(more.ended);
                    recorded.has_opened |= more.has_opened;
                }
                Written::Damaged(part, reason) => match intervals(&part)[..] {
                    [interval] => self.give_up_damaged(round, interval, &reason).await,
                    _ => parts.extend(apart(part)),
                },
            }
        }
        recorded
    }

    async fn write(&self, mut part: Batch, round: &mut Round) -> Written {
        let mut waits = waits();
        let mut is_in_doubt = false;
        while !(part.segments.is_empty() && part.tasks.is_empty()) {
            let error = match self.try_to_write(&part, &mut is_in_doubt).await {
                Ok(recorded) => return Written::Done(recorded),
                Err(damage @ StoreError::Unreadable { .. }) => return Written::Damaged(part, damage.to_string()),
                Err(StoreError::KeysOverQuota(refused)) => {
                    round.refuse(&mut part, &refused);
                    continue;
                }
                Err(StoreError::LeaseLost(_)) => match self.give_up_lost(&mut part, round).await {
                    Ok(()) => continue,
                    Err(error) => error,
                },
                Err(error) => error,
            };
            if !error.is_away() {
                warn!(error = &error as &dyn std::error::Error, "Completed tasks cannot be recorded just now");
            }
            self.clock.sleep_for(waits.next().expect("they have no end")).await;
        }
        Written::Done(Recorded::default())
    }

    async fn try_to_write(&self, part: &Batch, is_in_doubt: &mut bool) -> Result<Recorded, StoreError> {
        if *is_in_doubt && let Some(recorded) = self.store.recorded_before(self.owner, part).await? {
            return Ok(recorded);
        }
        *is_in_doubt = false;
        let recorded = self.store.record(self.owner, part, self.clock.now()).await;
        // After any other failure it may have reached the disk nevertheless.
        *is_in_doubt = !matches!(
            recorded,
            Ok(_) | Err(StoreError::LeaseLost(_) | StoreError::Unreadable { .. } | StoreError::KeysOverQuota(_))
        );
        recorded
    }

    /// Drops what may not be written: of intervals that have ended or passed to another host meanwhile, or all, where
    /// this incarnation is dead.
    async fn give_up_lost(&self, part: &mut Batch, round: &mut Round) -> Result<(), StoreError> {
        let all = intervals(part);
        let known = round.intervals.iter().filter(|interval| all.contains(&interval.open.id));
        let (over, held): (Vec<_>, Vec<_>) = known.partition(|interval| interval.desk().is_over);
        let held: Vec<_> = held.iter().map(|interval| interval.held()).collect();
        let mut lost = self.store.ended_among(&held).await?;
        // Of an interval that was let go and has been taken up anew since, only the new life counts.
        let over = over.iter().map(|interval| interval.open.id);
        lost.extend(over.filter(|id| held.iter().all(|held| held.id != *id)));
        if lost.is_empty() {
            lost = match self.store.renew_incarnation(self.owner, self.clock.now()).await {
                Err(StoreError::LeaseLost(_)) => {
                    error!("Another host has taken over the work of this one: it stops");
                    self.dethroned.cancel();
                    all.clone()
                }
                renewed => {
                    renewed?;
                    let held: BTreeSet<SegmentId> = self.store.held_segments(self.owner).await?.into_iter().collect();
                    let segments = part.segments.iter().map(|(interval, update)| (*interval, update.number));
                    segments
                        .filter(|(interval, number)| {
                            !held.contains(&SegmentId { interval: *interval, number: *number })
                        })
                        .map(|(interval, _)| interval)
                        .collect()
                }
            };
        }
        if lost.is_empty() {
            // Nothing tells why it was refused; it will be refused again.
            lost = all;
        }
        part.segments.retain(|(interval, _)| !lost.contains(interval));
        part.tasks.retain(|task| !lost.contains(&task.interval));
        round.let_go(&lost);
        Ok(())
    }

    async fn give_up_damaged(&self, round: &mut Round, interval: IntervalId, damage: &str) {
        let Some(job) = round.intervals.iter().find(|known| known.open.id == interval).map(|known| known.open.job)
        else {
            return;
        };
        round.let_go(&[interval]);
        let reason = format!("its progress is lost, everything runs again from the start: {damage}");
        if let Err(error) = fallback::abandon(&*self.store, interval, job, &reason, self.clock.now()).await {
            // Its segments are given back when the executor finds that nobody works on them, and it is tried again.
            let error = &error as &dyn std::error::Error;
            error!(error, interval.id = %interval, "Interval {interval} cannot be abandoned just now");
        }
        // For what takes its place.
        self.executor.nudge();
    }
}

/// The intervals of a batch. A task whose interval has no segment in it counts, too.
fn intervals(part: &Batch) -> Vec<IntervalId> {
    let of_segments = part.segments.iter().map(|(interval, _)| *interval);
    let all: BTreeSet<_> = of_segments.chain(part.tasks.iter().map(|task| task.interval)).collect();
    all.into_iter().collect()
}

/// One batch for each interval.
fn apart(part: Batch) -> Vec<Batch> {
    let mut parts: BTreeMap<IntervalId, Batch> = BTreeMap::new();
    for (interval, update) in part.segments {
        parts.entry(interval).or_default().segments.push((interval, update));
    }
    for task in part.tasks {
        parts.entry(task.interval).or_default().tasks.push(task);
    }
    parts.into_values().collect()
}
