//! What a task can ask the host for while it runs, and a plan cannot.

use super::bindings::types::HostError;
use async_trait::async_trait;
use std::sync::Arc;

/// The host's side of one attempt at a task.
#[async_trait]
pub trait TaskSide: Send + Sync {
    /// Keeps bytes for the task's next attempt, in the place of earlier ones; they are durable on return.
    async fn save_checkpoint(&self, bytes: Vec<u8>) -> Result<(), Denied>;

    /// What a task of a stage that this one waited for returned; none where it left nothing.
    async fn output(&self, stage: &str, stage_index: u32) -> Result<Option<Vec<u8>>, Denied>;
}

/// Why the host did not do what a task asked for.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// It makes no sense, however often it is asked.
    #[error("{0}")]
    Invalid(String),
    /// It cannot be done just now.
    #[error("{0}")]
    Unavailable(String),
}

/// The same as a call sees it; a plan has none.
pub(super) struct MaybeTask {
    pub(super) task: Option<Arc<dyn TaskSide>>,
    pub(super) checkpoint_bytes_max: u64,
}

impl MaybeTask {
    pub(super) async fn save_checkpoint(&self, bytes: Vec<u8>) -> Result<(), HostError> {
        let found = bytes.len();
        let max = self.checkpoint_bytes_max;
        if found as u64 > max {
            let message = format!("a checkpoint has at most {max} bytes, not {found} (checkpoint_limit_bytes)");
            return Err(HostError::LimitExceeded(message));
        }
        self.task("checkpoint.save")?.save_checkpoint(bytes).await.map_err(refusal)
    }

    pub(super) async fn output(&self, stage: &str, stage_index: u32) -> Result<Option<Vec<u8>>, HostError> {
        self.task("outputs.get")?.output(stage, stage_index).await.map_err(refusal)
    }

    fn task(&self, function: &str) -> Result<&dyn TaskSide, HostError> {
        let missing = || HostError::Invalid(format!("{function} is for tasks; this is a plan"));
        self.task.as_deref().ok_or_else(missing)
    }
}

fn refusal(denied: Denied) -> HostError {
    match denied {
        Denied::Invalid(reason) => HostError::Invalid(reason),
        Denied::Unavailable(reason) => HostError::Unavailable(reason),
    }
}
