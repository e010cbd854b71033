//! Group commit: all completions that have gathered share one transaction, and their lanes get the next tasks with it.

use super::active::ActiveInterval;
use super::trust::SharedTrust;
use super::turnstile::{Pass, Right, Turnstile};
use crate::clock::Clock;
use crate::domain::ids::{IncarnationId, IntervalId};
use crate::domain::interval::IntervalState;
use crate::domain::judgement::judge;
use crate::domain::segment::SegmentState;
use crate::domain::task::TaskOutput;
use crate::domain::timestamp::Timestamp;
use crate::domain::worklist::{Settlement, Start};
use crate::sandbox::CallReport;
use crate::store::{Batch, Recorded, RefusedKeys, Store, TaskRecord};
use crate::wakeup::Wakeup;
use std::collections::HashSet;
use std::sync::{Arc, Weak};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How many completions one commit takes at most.
const GATHERED_MAX: usize = 4_096;

/// An attempt that has ended.
pub(super) struct Attempt {
    pub(super) start: Start,
    pub(super) report: CallReport<TaskOutput>,
    /// Whether it, or an attempt before it, may have saved a checkpoint.
    pub(super) may_have_checkpoint: bool,
}

/// A lane's way to the recorder.
#[derive(Clone)]
pub(super) struct Exchange {
    asks: mpsc::UnboundedSender<Ask>,
    trust: Arc<SharedTrust>,
}

/// A lane that has ended an attempt, or begins, and wants the next task. There is one of each lane at most, so the
/// queue is bounded by the lanes.
struct Ask {
    interval: Arc<ActiveInterval>,
    ended: Option<Attempt>,
    reply: oneshot::Sender<Option<Start>>,
}

/// Records completions and hands out tasks. One for each incarnation.
pub struct Recorder {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) owner: IncarnationId,
    trust: Arc<SharedTrust>,
    turnstile: Arc<Turnstile>,
    pub(super) executor: Wakeup,
    /// Cancelled when no further task may begin.
    stop: CancellationToken,
    /// Cancelled by the recorder when another host has taken over.
    pub(super) dethroned: CancellationToken,
    /// The interval that ran a suspect last. One suspect runs at a time on the whole host: should it take the process
    /// down, no other is blamed.
    suspected: Weak<ActiveInterval>,
}

/// What a recorder works with.
pub(super) struct RecorderParts {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) owner: IncarnationId,
    pub(super) trust: Arc<SharedTrust>,
    pub(super) turnstile: Arc<Turnstile>,
    pub(super) executor: Wakeup,
    pub(super) stop: CancellationToken,
    pub(super) dethroned: CancellationToken,
}

/// One round of gathering.
#[derive(Default)]
pub(super) struct Round {
    pub(super) batch: Batch,
    pub(super) intervals: Vec<Arc<ActiveInterval>>,
    known: HashSet<IntervalId>,
    replies: Vec<Reply>,
    has_retries: bool,
    /// Whether a lane ended although it had a task to begin, so that the executor must see who begins when.
    has_refused: bool,
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
        self.asks.send(Ask { interval: Arc::clone(interval), ended, reply }).ok()?;
        next.await.ok().flatten()
    }

    /// Returns true when a task that was handed out may begin, which is mostly at once; false where another host has
    /// taken over. The commit may have taken longer than the lease lasts: by now another host may have done the task.
    pub(super) async fn may_begin(&self) -> bool {
        self.trust.regained().await
    }
}

impl Recorder {
    /// A recorder that writes as `owner`.
    pub(super) fn new(parts: RecorderParts) -> Self {
        let RecorderParts { store, clock, owner, trust, turnstile, executor, stop, dethroned } = parts;
        Self { store, clock, owner, trust, turnstile, executor, stop, dethroned, suspected: Weak::new() }
    }

    /// Starts recording; it ends when the last [`Exchange`] is gone.
    ///
    /// It runs among the guests: a lane and the recorder then wake each other on one thread, and not across two.
    pub(super) fn start(self, writers: &mut JoinSet<()>, guests: &tokio::runtime::Handle) -> Exchange {
        let (sender, asks) = mpsc::unbounded_channel();
        let exchange = Exchange { asks: sender, trust: Arc::clone(&self.trust) };
        writers.spawn_on(self.run(asks), guests);
        exchange
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
        let may_begin = !self.stop.is_cancelled() && self.trust.holds();
        let mut round = Round::default();
        for Ask { interval, ended, reply } in asks.drain(..) {
            let ended_one = ended.is_some();
            if let Some(attempt) = ended {
                round.settle(&interval, attempt, now);
            }
            let right = if ended_one { Right::ToAsk } else { Right::Granted };
            let next = if may_begin { self.admit(&mut round, &interval, right, now) } else { None };
            if next.is_none() {
                interval.desk().lanes.end_one();
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

    /// Picks the next task of an interval if its lane may begin one now.
    fn admit(
        &mut self,
        round: &mut Round,
        interval: &Arc<ActiveInterval>,
        right: Right,
        now: Timestamp,
    ) -> Option<Start> {
        let pass = self.turnstile.ask(interval, right, now);
        if pass == Pass::Granted {
            let next = self.pick(interval, now);
            if next.is_some() {
                self.turnstile.note_begun(interval, right);
            }
            return next;
        }
        round.has_refused = true;
        None
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
        for interval in &round.intervals {
            interval.desk().saved();
            if recorded.ended.iter().any(|(ended, ..)| *ended == interval.open.id) {
                // Tasks may run where it was cut short.
                interval.abandon();
            }
        }
        for Reply { lane, next, .. } in round.replies {
            // A lane that was let go meanwhile does not listen; its task is in flight for whoever takes over.
            let _ = lane.send(next);
        }
        let now = self.clock.now();
        let wants_more = round.intervals.iter().filter(|interval| wants_more(interval, now)).count() > 0;
        let has_ended = !recorded.ended.is_empty();
        let may_begin_more = recorded.has_opened || round.has_retries || round.has_refused || round.has_cleared;
        // What has ended may have fired another job, or let go an interval that waited for it.
        if has_ended || may_begin_more || wants_more {
            self.executor.nudge();
        }
        if recorded.has_opened {
            self.executor.nudge_everywhere();
        }
    }
}

impl Round {
    /// Forgets intervals of which nothing may be written any more: their lanes get no further task.
    pub(super) fn let_go(&mut self, lost: &[IntervalId]) {
        for reply in &mut self.replies {
            if lost.contains(&reply.interval.open.id) && reply.next.take().is_some() {
                reply.interval.desk().lanes.end_one();
            }
        }
        for interval in &self.intervals {
            if lost.contains(&interval.open.id) {
                interval.abandon();
            }
        }
    }

    fn settle(&mut self, interval: &ActiveInterval, attempt: Attempt, now: Timestamp) {
        let Attempt { start, report, may_have_checkpoint } = attempt;
        let judgement = judge(report.outcome, &interval.open.work.policy.retry, start.index, start.attempt, now);
        let mut desk = interval.desk();
        let ran_suspect = desk.worklist.runs_suspect();
        if !desk.worklist.settle(start.index, judgement.settlement) {
            return;
        }
        drop(desk);
        self.has_cleared |= ran_suspect;
        self.has_retries |= matches!(judgement.settlement, Settlement::Retried(_));
        let is_final = !matches!(judgement.settlement, Settlement::Retried(_));
        let TaskOutput { output, keys, events } = judgement.value.unwrap_or_default();
        let record = TaskRecord {
            interval: interval.open.id,
            job: interval.open.job,
            index: start.index,
            attempt: start.attempt,
            failure: judgement.failure,
            output,
            keys,
            events,
            log: report.log,
            ends_checkpoint: may_have_checkpoint && is_final,
        };
        if !record.is_empty() {
            self.batch.tasks.push(record);
        }
    }

    /// Fails tasks that wrote more to keys than their jobs may keep; the others of the round are not concerned.
    pub(super) fn refuse(&self, part: &mut Batch, refused: &[RefusedKeys]) {
        for RefusedKeys { interval, index, over } in refused {
            let Some(index) = *index else { continue };
            let is_it = |task: &&mut TaskRecord| task.interval == *interval && task.index == index;
            if let Some(task) = part.tasks.iter_mut().find(is_it) {
                task.refuse((*over).into());
            }
            for (_, update) in part.segments.iter_mut().filter(|(of, _)| of == interval) {
                update.refuse(index);
            }
            if let Some(active) = self.intervals.iter().find(|active| active.open.id == *interval) {
                active.desk().worklist.refuse(index);
            }
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
    let is_low = desk.worklist.startable(now) < desk.lanes.usable() as usize;
    let wants_more = is_low && desk.may_have_more;
    if wants_more {
        // The executor's claim sets it again; until then one nudge is enough.
        desk.may_have_more = false;
    }
    wants_more
}
