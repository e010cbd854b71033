//! Group commit: all completions that have gathered share one transaction, and their lanes get the next tasks with it.

use super::active::ActiveInterval;
use crate::clock::Clock;
use crate::domain::ids::{IncarnationId, IntervalId};
use crate::domain::interval::IntervalState;
use crate::domain::judgement::judge;
use crate::domain::lease::Trust;
use crate::domain::segment::SegmentState;
use crate::domain::task::TaskOutput;
use crate::domain::timestamp::Timestamp;
use crate::domain::worklist::{Settlement, Start};
use crate::sandbox::CallReport;
use crate::store::{Batch, Recorded, Store, StoreError, TaskRecord};
use crate::wakeup::Wakeup;
use backon::{BackoffBuilder, ExponentialBuilder};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// How many completions one commit takes at most.
const GATHERED_MAX: usize = 4_096;

/// An attempt that has ended.
pub(super) struct Attempt {
    pub(super) start: Start,
    pub(super) report: CallReport<TaskOutput>,
}

/// A lane's way to the recorder.
#[derive(Clone)]
pub(super) struct Exchange(mpsc::UnboundedSender<Ask>);

/// A lane that has ended an attempt, or begins, and wants the next task. There is one of each lane at most, so the
/// queue is bounded by the lanes.
struct Ask {
    interval: Arc<ActiveInterval>,
    ended: Option<Attempt>,
    reply: oneshot::Sender<Option<Start>>,
}

/// Records completions and hands out tasks. One for each incarnation.
pub struct Recorder {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    owner: IncarnationId,
    trust: Arc<Mutex<Trust>>,
    executor: Wakeup,
    /// Cancelled when no further task may begin.
    stop: CancellationToken,
    /// Cancelled by the recorder when another host has taken over.
    dethroned: CancellationToken,
    /// The interval that ran a suspect last. One suspect runs at a time on the whole host: should it take the process
    /// down, no other is blamed.
    suspected: Weak<ActiveInterval>,
}

/// One round of gathering.
#[derive(Default)]
struct Round {
    batch: Batch,
    intervals: Vec<Arc<ActiveInterval>>,
    known: HashSet<IntervalId>,
    replies: Vec<Reply>,
    has_retries: bool,
    /// Whether a suspect ended, so that what waited for it can begin.
    has_cleared: bool,
}

/// What a lane is told once it is durable.
struct Reply {
    interval: Arc<ActiveInterval>,
    lane: oneshot::Sender<Option<Start>>,
    next: Option<Start>,
}

impl Exchange {
    /// Hands in an ended attempt and returns the next task when both are durable; none where the lane's work is over.
    pub(super) async fn exchange(&self, interval: &Arc<ActiveInterval>, ended: Option<Attempt>) -> Option<Start> {
        let (reply, next) = oneshot::channel();
        self.0.send(Ask { interval: Arc::clone(interval), ended, reply }).ok()?;
        next.await.ok().flatten()
    }
}

impl Recorder {
    /// A recorder that writes as `owner`.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        owner: IncarnationId,
        trust: Arc<Mutex<Trust>>,
        executor: Wakeup,
        stop: CancellationToken,
        dethroned: CancellationToken,
    ) -> Self {
        Self { store, clock, owner, trust, executor, stop, dethroned, suspected: Weak::new() }
    }

    /// Starts recording; it ends when the last [`Exchange`] is gone.
    ///
    /// It runs among the guests: a lane and the recorder then wake each other on one thread, and not across two.
    pub(super) fn start(self, guests: &tokio::runtime::Handle) -> (Exchange, tokio::task::JoinHandle<()>) {
        let (sender, asks) = mpsc::unbounded_channel();
        (Exchange(sender), guests.spawn(self.run(asks)))
    }

    async fn run(mut self, mut asks: mpsc::UnboundedReceiver<Ask>) {
        let mut gathered = Vec::new();
        while asks.recv_many(&mut gathered, GATHERED_MAX).await > 0 {
            let round = self.gather(&mut gathered, self.clock.now());
            self.finish(round).await;
        }
    }

    /// Settles what has ended and picks what comes next; nothing of it counts before the commit.
    fn gather(&mut self, asks: &mut Vec<Ask>, now: Timestamp) -> Round {
        let may_begin = !self.stop.is_cancelled()
            && !self.dethroned.is_cancelled()
            && self.trust.lock().unwrap_or_else(PoisonError::into_inner).holds(now);
        let mut round = Round::default();
        for Ask { interval, ended, reply } in asks.drain(..) {
            if let Some(attempt) = ended {
                round.settle(&interval, attempt, now);
            }
            let next = if may_begin { self.pick(&interval, now) } else { None };
            if next.is_none() {
                interval.desk().lanes -= 1;
            }
            if round.known.insert(interval.open.id) {
                round.intervals.push(Arc::clone(&interval));
            }
            round.replies.push(Reply { interval, lane: reply, next });
        }
        for interval in &round.intervals {
            let updates = interval.desk().worklist.take_unsaved();
            round.batch.segments.extend(updates.into_iter().map(|update| (interval.open.id, update)));
        }
        round.leave_out_untracked();
        round
    }

    /// Picks the next task of an interval; a suspect when it is the turn of one.
    fn pick(&mut self, interval: &Arc<ActiveInterval>, now: Timestamp) -> Option<Start> {
        let next = interval.desk().worklist.start_next(now);
        if next.is_some() || self.suspected.upgrade().is_some_and(|other| other.desk().worklist.runs_suspect()) {
            return next;
        }
        let suspect = interval.desk().worklist.start_suspect(now);
        if suspect.is_some() {
            self.suspected = Arc::downgrade(interval);
        }
        suspect
    }

    async fn finish(&self, mut round: Round) {
        let recorded = self.commit(&mut round).await;
        announce(&recorded);
        for Reply { lane, next, .. } in round.replies {
            // A lane that was let go meanwhile does not listen; its task is in flight for whoever takes over.
            let _ = lane.send(next);
        }
        let now = self.clock.now();
        let wants_more = round.intervals.iter().filter(|interval| wants_more(interval, now)).count() > 0;
        if recorded.has_opened || round.has_retries || round.has_cleared || wants_more {
            self.executor.nudge();
        }
    }

    /// Writes until it is written, or until the lease is lost: then those tasks belong to whoever took over.
    async fn commit(&self, round: &mut Round) -> Recorded {
        let mut waits = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(50))
            .with_max_delay(Duration::from_secs(5))
            .without_max_times()
            .build();
        loop {
            if round.batch.segments.is_empty() && round.batch.tasks.is_empty() {
                return Recorded::default();
            }
            let recorded = match self.store.record(self.owner, &round.batch, self.clock.now()).await {
                Err(StoreError::LeaseLost(_)) => self.give_up_lost(round).await.map(|()| None),
                recorded => recorded.map(Some),
            };
            match recorded {
                Ok(Some(recorded)) => return recorded,
                Ok(None) => {}
                Err(error) => {
                    warn!(error = &error as &dyn std::error::Error, "Completed tasks cannot be recorded just now");
                    self.clock.sleep_for(waits.next().unwrap_or(Duration::from_secs(5))).await;
                }
            }
        }
    }

    /// Drops what may not be written: of intervals that have ended meanwhile, or all, where this incarnation is dead.
    async fn give_up_lost(&self, round: &mut Round) -> Result<(), StoreError> {
        let mut all: Vec<_> = round.batch.segments.iter().map(|(interval, _)| *interval).collect();
        all.dedup();
        let mut lost = self.store.ended_among(&all).await?;
        if lost.is_empty() {
            error!("Another host has taken over the work of this one: it stops");
            self.dethroned.cancel();
            lost = all;
        }
        round.batch.segments.retain(|(interval, _)| !lost.contains(interval));
        round.batch.tasks.retain(|task| !lost.contains(&task.interval));
        for reply in &mut round.replies {
            if lost.contains(&reply.interval.open.id) && reply.next.take().is_some() {
                reply.interval.desk().lanes -= 1;
            }
        }
        for interval in &round.intervals {
            if lost.contains(&interval.open.id) {
                interval.abandon();
            }
        }
        Ok(())
    }
}

impl Round {
    fn settle(&mut self, interval: &ActiveInterval, attempt: Attempt, now: Timestamp) {
        let Attempt { start, report } = attempt;
        let judgement = judge(report.outcome, &interval.open.work.policy.retry, start.index, start.attempt, now);
        let mut desk = interval.desk();
        let ran_suspect = desk.worklist.runs_suspect();
        if !desk.worklist.settle(start.index, judgement.settlement) {
            return;
        }
        drop(desk);
        self.has_cleared |= ran_suspect;
        self.has_retries |= matches!(judgement.settlement, Settlement::Retried(_));
        let TaskOutput { output, keys } = judgement.value.unwrap_or_default();
        let record = TaskRecord {
            interval: interval.open.id,
            job: interval.open.job,
            index: start.index,
            attempt: start.attempt,
            failure: judgement.failure,
            output,
            keys,
            log: report.log,
        };
        if !record.is_empty() {
            self.batch.tasks.push(record);
        }
    }

    /// An interval without tracking writes no progress: its segments are written when they end, or together with what
    /// a task left, since that must name the lease.
    fn leave_out_untracked(&mut self) {
        let have_records: HashSet<_> = self.batch.tasks.iter().map(|task| task.interval).collect();
        let untracked: HashSet<_> = self
            .intervals
            .iter()
            .filter(|interval| !interval.open.is_tracked)
            .map(|interval| interval.open.id)
            .collect();
        self.batch.segments.retain(|(interval, update)| {
            !untracked.contains(interval)
                || !matches!(update.state, SegmentState::Leased { .. })
                || have_records.contains(interval)
        });
    }
}

/// Tells of the intervals that have ended.
pub(super) fn announce(recorded: &Recorded) {
    for (interval, job, state) in &recorded.ended {
        if *state == IntervalState::Succeeded {
            info!(interval.id = %interval, job.id = %job, "All tasks completed for interval {interval}");
        } else {
            warn!(interval.id = %interval, job.id = %job, "Interval {interval} of job {job} {state}");
        }
    }
}

/// Whether an interval is running out of tasks to begin while the store may have more.
fn wants_more(interval: &ActiveInterval, now: Timestamp) -> bool {
    let mut desk = interval.desk();
    let is_low = desk.worklist.startable(now) < interval.lanes_max() as usize;
    let wants_more = is_low && desk.may_have_more;
    if wants_more {
        // The executor's claim sets it again; until then one nudge is enough.
        desk.may_have_more = false;
    }
    wants_more
}
