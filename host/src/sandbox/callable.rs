//! What the engine knows of plugins: where they come from, and that they can be called. Simulations put their own here.

use super::call::{CallReport, PlanOutput, Plugin, Surroundings};
use super::compile::Refusal;
use super::context::TaskInput;
use super::engine::Sandbox;
use crate::domain::digest::Digest;
use crate::domain::task::TaskOutput;
use async_trait::async_trait;
use std::sync::Arc;

/// A plugin that can be called.
#[async_trait]
pub trait Callable: Send + Sync {
    /// Calls `plan`, within what it is given.
    async fn plan(&self, surroundings: Surroundings<'_>) -> CallReport<PlanOutput>;

    /// Calls `run`, within what it is given.
    async fn run(&self, task: &TaskInput<'_>, surroundings: Surroundings<'_>) -> CallReport<TaskOutput>;
}

/// Turns components into plugins that can be called.
#[async_trait]
pub trait PluginSource: Send + Sync {
    /// The plugin with this digest, if it was loaded before.
    fn loaded(&self, digest: &Digest) -> Option<Arc<dyn Callable>>;

    /// Loads a component; takes up to seconds for large ones.
    async fn load(&self, bytes: Vec<u8>) -> Result<Arc<dyn Callable>, Refusal>;
}

#[async_trait]
impl Callable for Plugin {
    async fn plan(&self, surroundings: Surroundings<'_>) -> CallReport<PlanOutput> {
        Plugin::plan(self, surroundings).await
    }

    async fn run(&self, task: &TaskInput<'_>, surroundings: Surroundings<'_>) -> CallReport<TaskOutput> {
        Plugin::run(self, task, surroundings).await
    }
}

#[async_trait]
impl PluginSource for Sandbox {
    fn loaded(&self, digest: &Digest) -> Option<Arc<dyn Callable>> {
        Sandbox::loaded(self, digest).map(|plugin| Arc::new(plugin) as Arc<dyn Callable>)
    }

    async fn load(&self, bytes: Vec<u8>) -> Result<Arc<dyn Callable>, Refusal> {
        Ok(Arc::new(Sandbox::load(self, bytes).await?))
    }
}
