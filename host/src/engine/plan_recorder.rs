//! Group commit for plans: all that have been made while the one before was written share a transaction.

use crate::clock::Clock;
use crate::domain::ids::{IncarnationId, IntervalId};
use crate::domain::task::Failure;
use crate::domain::timestamp::Timestamp;
use crate::store::{MadePlan, PlanRecord, Planned, Store, StoreError};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

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
    reply: oneshot::Sender<Answer>,
}

/// None where the interval has been ended or taken over meanwhile.
type Answer = Result<Option<Planned>, StoreError>;

/// Records plans. One for each incarnation.
pub(super) struct PlanRecorder {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) owner: IncarnationId,
}

impl PlanExchange {
    /// Hands in a plan and returns when it is durable; none where the interval has been ended or taken over meanwhile, or
    /// the host stops. Where the store fails, the interval is this incarnation's to plan as before.
    pub(super) async fn record(&self, made: MadePlan) -> Answer {
        let (reply, planned) = oneshot::channel();
        // Nobody records any more once the host stops.
        let _ = self.asks.send(Ask { made, reply });
        planned.await.unwrap_or(Ok(None))
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
    pub(super) fn start(self, writers: &mut JoinSet<()>, guests: &tokio::runtime::Handle) -> PlanExchange {
        let (sender, asks) = mpsc::unbounded_channel();
        let exchange = PlanExchange { asks: sender, store: Arc::clone(&self.store), owner: self.owner };
        writers.spawn_on(self.run(asks), guests);
        exchange
    }

    async fn run(self, mut asks: mpsc::UnboundedReceiver<Ask>) {
        let mut gathered = Vec::new();
        while asks.recv_many(&mut gathered, GATHERED_MAX).await > 0 {
            let (made, replies): (Vec<_>, Vec<_>) = gathered.drain(..).map(|ask| (ask.made, ask.reply)).unzip();
            for (planned, reply) in self.record(&made).await.into_iter().zip(replies) {
                // A planner that was let go meanwhile does not listen: its interval has ended, or the host stops.
                let _ = reply.send(planned);
            }
        }
    }

    /// Writes all together, or, where the store refuses that, each by itself: one that cannot be written must not hold up
    /// the others.
    async fn record(&self, made: &[MadePlan]) -> Vec<Answer> {
        match self.store.record_plans(self.owner, made, self.clock.now()).await {
            Ok(planned) => planned.into_iter().map(Ok).collect(),
            Err(error) if made.len() < 2 => vec![Err(error)],
            Err(StoreError::Away(reason)) => made.iter().map(|_| Err(StoreError::Away(reason.clone()))).collect(),
            Err(_) => {
                let mut answers = Vec::new();
                for one in made {
                    let one = std::slice::from_ref(one);
                    let planned = self.store.record_plans(self.owner, one, self.clock.now()).await;
                    answers.push(planned.map(|mut planned| planned.pop().flatten()));
                }
                answers
            }
        }
    }
}
