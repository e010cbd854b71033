//! Group commit of checkpoints: those that have gathered share one transaction, as completions do.

use super::waits::patiently;
use crate::clock::Clock;
use crate::domain::ids::IncarnationId;
use crate::sandbox::Denied;
use crate::store::{CheckpointSave, Store};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::warn;

/// How many checkpoints one commit takes at most; each may have a mebibyte.
const GATHERED_MAX: usize = 64;

/// A task's way to have a checkpoint kept.
#[derive(Clone)]
pub(super) struct Checkpoints(mpsc::UnboundedSender<Wish>);

/// There is one of each running task at most, so the queue is bounded by the lanes.
struct Wish {
    save: CheckpointSave,
    reply: oneshot::Sender<Result<(), Denied>>,
}

impl Checkpoints {
    /// Starts keeping as `owner`; it ends when the last clone is gone.
    pub(super) fn start(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        owner: IncarnationId,
        writers: &mut JoinSet<()>,
        guests: &tokio::runtime::Handle,
    ) -> Self {
        let (sender, wishes) = mpsc::unbounded_channel();
        writers.spawn_on(keep_all(store, clock, owner, wishes), guests);
        Self(sender)
    }

    /// Returns when the checkpoint is durable.
    pub(super) async fn save(&self, save: CheckpointSave) -> Result<(), Denied> {
        let (reply, kept) = oneshot::channel();
        let stopping = || Denied::Unavailable("the host is stopping".to_owned());
        self.0.send(Wish { save, reply }).map_err(|_| stopping())?;
        kept.await.unwrap_or_else(|_| Err(stopping()))
    }
}

async fn keep_all(
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    owner: IncarnationId,
    mut wishes: mpsc::UnboundedReceiver<Wish>,
) {
    let mut gathered = Vec::new();
    while wishes.recv_many(&mut gathered, GATHERED_MAX).await > 0 {
        // A call that was dropped meanwhile has ended another way: what it wished for must not outlast that.
        gathered.retain(|wish| !wish.reply.is_closed());
        let (saves, replies): (Vec<_>, Vec<_>) = gathered.drain(..).map(|wish| (wish.save, wish.reply)).unzip();
        // That the store was away must not cost a task an attempt: its own time limit bounds how long it waits.
        let kept = patiently(&*clock, || store.save_checkpoints(owner, &saves, clock.now())).await;
        if let Err(error) = &kept {
            warn!(error = error as &dyn std::error::Error, "Checkpoints cannot be kept just now");
        }
        for (place, reply) in replies.into_iter().enumerate() {
            let answer = match &kept {
                Ok(kept) if kept[place] => Ok(()),
                Ok(_) => Err(Denied::Unavailable("this host has lost its right to the task".to_owned())),
                Err(error) => Err(Denied::Unavailable(format!("the checkpoint cannot be kept just now: {error}"))),
            };
            // A call that was dropped does not listen.
            let _ = reply.send(answer);
        }
    }
}
