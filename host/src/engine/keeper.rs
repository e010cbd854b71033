//! Removes what is beyond the jobs' retention, in slices so small that nobody waits for it.

use super::tick::Tick;
use crate::clock::Clock;
use crate::domain::ids::{IntervalId, JobId};
use crate::domain::retention::{GRACE, NOTHING, beyond, pages_to_give_back};
use crate::domain::rules::Retention;
use crate::domain::timestamp::Timestamp;
use crate::store::{JobHistory, Slice, Store, StoreError};
use async_trait::async_trait;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tracing::info;

/// How often every job is looked at; between these, only those that have new history.
const LOOK_AT_ALL_EVERY: Duration = Duration::from_hours(1);

/// A commit that writes the end of an interval may come so much after the instant that it writes.
const COMMIT_DELAY_MAX: Duration = Duration::from_mins(1);

/// How many jobs one tick looks at, and how many of the oldest intervals of each.
const JOBS_MAX: usize = 32;
const OLDEST_MAX: u32 = 64;

/// How many intervals one transaction removes, and how much of what belongs to them.
const INTERVALS_MAX: usize = 64;
const SLICE: Slice = Slice { rows: 512, bytes: 4 << 20 };

/// How many versions of plugins, and free pages, one tick takes.
const VERSIONS_MAX: u32 = 8;
const PAGES_MAX: u64 = 256;

/// After each tick it rests so many times as long as that took, so that it takes a tenth of one core at most.
const REST: u32 = 9;

/// Keeps the database from growing for ever.
pub struct Keeper {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// For jobs that do not say.
    retention: Retention,
    round: Mutex<Round>,
}

/// One walk over the jobs.
#[derive(Default)]
struct Round {
    begun_at: Option<Timestamp>,
    looked_at_all_at: Option<Timestamp>,
    jobs: VecDeque<JobId>,
    /// What is to be removed before further jobs are looked at.
    beyond: VecDeque<IntervalId>,
    step: Step,
    removed: Removed,
}

/// What a round is at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Step {
    #[default]
    Resting,
    Intervals,
    Versions,
    Incarnations,
    Pages,
}

#[derive(Debug, Default)]
struct Removed {
    intervals: u64,
    rows: u64,
    jobs: u64,
    versions: u64,
    incarnations: u64,
}

#[async_trait]
impl Tick for Keeper {
    const NAME: &'static str = "keeper";

    async fn tick(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let mut round = self.round.lock().await;
        self.advance(&mut round, now).await?;
        let ended_at = self.clock.now();
        let rest = (ended_at.since(now) * REST).max(Duration::from_millis(1));
        Ok((round.step != Step::Resting).then(|| ended_at + rest))
    }
}

impl Keeper {
    /// A keeper that keeps as the jobs say, and where they are silent as `retention` does.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, retention: Retention) -> Self {
        Self { store, clock, retention, round: Mutex::default() }
    }

    async fn advance(&self, round: &mut Round, now: Timestamp) -> Result<(), StoreError> {
        match round.step {
            Step::Resting => self.begin(round, now).await,
            Step::Intervals if !round.beyond.is_empty() => self.remove(round).await,
            Step::Intervals if !round.jobs.is_empty() => self.look(round, now).await,
            Step::Intervals => {
                round.step = Step::Versions;
                Ok(())
            }
            Step::Versions => {
                let versions = self.store.remove_unused_versions(now - GRACE, VERSIONS_MAX).await?;
                for (name, digest) in &versions {
                    info!("Version {digest} of plugin {name} is removed: it is not current, and no interval needs it");
                }
                round.removed.versions += versions.len() as u64;
                if versions.len() < VERSIONS_MAX as usize {
                    round.step = Step::Incarnations;
                }
                Ok(())
            }
            Step::Incarnations => {
                round.removed.incarnations += self.store.remove_dead_incarnations(now - GRACE).await?;
                round.step = Step::Pages;
                Ok(())
            }
            Step::Pages => self.give_back(round).await,
        }
    }

    async fn begin(&self, round: &mut Round, now: Timestamp) -> Result<(), StoreError> {
        let is_all = round.looked_at_all_at.is_none_or(|at| at + LOOK_AT_ALL_EVERY <= now);
        let since = round.begun_at.filter(|_| !is_all).map(|at| at - COMMIT_DELAY_MAX);
        round.jobs = self.store.jobs_with_history(since).await?.into();
        round.begun_at = Some(now);
        if is_all {
            round.looked_at_all_at = Some(now);
        }
        round.step = Step::Intervals;
        Ok(())
    }

    /// Looks at the next jobs, and again at those of which more than the oldest are beyond the bounds.
    async fn look(&self, round: &mut Round, now: Timestamp) -> Result<(), StoreError> {
        let jobs: Vec<_> = round.jobs.iter().take(JOBS_MAX).copied().collect();
        let histories = self.store.histories(&jobs, OLDEST_MAX).await?;
        let mut again = Vec::new();
        for JobHistory { job, retention, is_deleted, history } in histories {
            let retention = if is_deleted { NOTHING } else { retention.or(self.retention) };
            let beyond = beyond(&history, retention, now);
            if !beyond.is_empty() && (history.oldest.len() == OLDEST_MAX as usize || is_deleted) {
                again.push(job);
            }
            if is_deleted && history.oldest.is_empty() && self.store.remove_deleted_job(job).await? {
                round.removed.jobs += 1;
            }
            round.beyond.extend(beyond);
        }
        round.jobs.drain(..jobs.len());
        round.jobs.extend(again);
        Ok(())
    }

    async fn remove(&self, round: &mut Round) -> Result<(), StoreError> {
        let intervals: Vec<_> = round.beyond.iter().take(INTERVALS_MAX).copied().collect();
        let removal = self.store.remove_intervals(&intervals, SLICE).await?;
        round.removed.intervals += removal.intervals;
        round.removed.rows += removal.rows;
        if removal.is_done {
            round.beyond.drain(..intervals.len());
        }
        Ok(())
    }

    /// Gives free pages back a few at a time; the round ends when enough are.
    async fn give_back(&self, round: &mut Round) -> Result<(), StoreError> {
        let before = self.store.give_back_pages(0).await?;
        let pages_max = pages_to_give_back(before.free, before.pages).min(PAGES_MAX);
        if pages_max > 0 && self.store.give_back_pages(pages_max).await?.free < before.free {
            return Ok(());
        }
        round.step = Step::Resting;
        let Removed { intervals, rows, jobs, versions, incarnations } = std::mem::take(&mut round.removed);
        if intervals + jobs + versions + incarnations > 0 {
            info!(
                intervals,
                rows,
                jobs,
                versions,
                incarnations,
                "Removed {intervals} intervals beyond their jobs' retention with {rows} rows, {jobs} deleted jobs, \
                 {versions} versions of plugins and {incarnations} dead incarnations"
            );
        }
        Ok(())
    }
}
