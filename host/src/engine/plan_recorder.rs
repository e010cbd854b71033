//! Group commit for plans: all that have been made while the one before was written share a transaction.

use crate::clock::Clock;
use crate::domain::ids::{IncarnationId, IntervalId};
use crate::domain::task::Failure;
use crate::domain::timestamp::Timestamp;
use crate::store::{MadePlan, PlanRecord, Planned, Store, StoreError};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tracing::warn;

/// How many plans one commit takes at most: with each come its segments.
const GATHERED_MAX: usize = 256;

/// A planner's way to the recorder of plans.
#[derive(Clone)]
pub(super) struct PlanExchange {
    asks: mpsc::UnboundedSender<Ask>,
    store: Arc<dyn Store>,
    owner: IncarnationId,
}

/// A plan, and who waits for it. There is one for each interval that is being planned, which bounds the queue.
struct Ask {
    made: MadePlan,
    reply: oneshot::Sender<Planned>,
}

/// Records plans. One for each incarnation.
pub(super) struct PlanRecorder {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) owner: IncarnationId,
}

impl PlanExchange {
    /// Hands in a plan and returns when it is durable; none where the interval has been ended or taken over meanwhile, or
    /// where the store fails: then it is this incarnation's to plan as before.
    pub(super) async fn record(&self, made: MadePlan) -> Option<Planned> {
        let (reply, planned) = oneshot::channel();
        self.asks.send(Ask { made, reply }).ok()?;
        planned.await.ok()
    }

    /// Records that a plan failed, by itself: that is rare.
    pub(super) async fn record_failure(
        &self,
        interval: IntervalId,
        failure: &Failure,
        retry_at: Option<Timestamp>,
        record: PlanRecord,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.store.record_plan_failure(self.owner, interval, failure, retry_at, record, now).await
    }
}

impl PlanRecorder {
    /// Starts recording; it ends when the last [`PlanExchange`] is gone.
    pub(super) fn start(self, guests: &tokio::runtime::Handle) -> (PlanExchange, tokio::task::JoinHandle<()>) {
        let (sender, asks) = mpsc::unbounded_channel();
        let exchange = PlanExchange { asks: sender, store: Arc::clone(&self.store), owner: self.owner };
        (exchange, guests.spawn(self.run(asks)))
    }

    async fn run(self, mut asks: mpsc::UnboundedReceiver<Ask>) {
        let mut gathered = Vec::new();
        while asks.recv_many(&mut gathered, GATHERED_MAX).await > 0 {
            let (made, replies): (Vec<_>, Vec<_>) = gathered.drain(..).map(|ask| (ask.made, ask.reply)).unzip();
            for (planned, reply) in self.record(&made).await.into_iter().zip(replies) {
                // A planner that was let go meanwhile does not listen: its interval has ended, or the host stops.
                if let Some(planned) = planned {
                    let _ = reply.send(planned);
                }
            }
        }
    }

    /// Writes all together, or, where the store refuses that, each by itself: one that cannot be written must not hold up
    /// the others.
    async fn record(&self, made: &[MadePlan]) -> Vec<Option<Planned>> {
        match self.store.record_plans(self.owner, made, self.clock.now()).await {
            Ok(planned) => planned,
            Err(error) if made.len() < 2 => {
                report(&error, made);
                made.iter().map(|_| None).collect()
            }
            Err(_) => {
                let mut planned = Vec::new();
                for one in made {
                    let recorded =
                        self.store.record_plans(self.owner, std::slice::from_ref(one), self.clock.now()).await;
                    let recorded = recorded.inspect_err(|error| report(error, std::slice::from_ref(one)));
                    planned.push(recorded.ok().and_then(|mut planned| planned.pop()).flatten());
                }
                planned
            }
        }
    }
}

fn report(error: &StoreError, made: &[MadePlan]) {
    for MadePlan { interval, .. } in made {
        let error = error as &dyn std::error::Error;
        warn!(error, interval.id = %interval, "The plan of interval {interval} cannot be recorded just now");
    }
}
