//! A fault that tests ask for: tasks that take the process down, as a fault of the host's own would.
//!
//! Only in debug builds. A feature of cargo would be as clean in the source, but one that the tests turn on is turned on
//! for whatever is built beside them; what `debug_assertions` leaves out cannot get into a release.

use crate::domain::digest::Digest;
use crate::domain::task::TaskOutput;
use crate::sandbox::{CallReport, Callable, PlanOutput, PluginSource, Refusal, Surroundings, TaskInput};
use async_trait::async_trait;
use std::sync::Arc;

/// Has the process end when a task with one of these indices does, before anybody learns of that.
pub(crate) fn with_deadly_tasks(plugins: Arc<dyn PluginSource>, indices: Vec<u32>) -> Arc<dyn PluginSource> {
    if indices.is_empty() { plugins } else { Arc::new(DeadlySource { plugins, indices: indices.into() }) }
}

struct DeadlySource {
    plugins: Arc<dyn PluginSource>,
    indices: Arc<[u32]>,
}

struct Deadly {
    plugin: Arc<dyn Callable>,
    indices: Arc<[u32]>,
}

impl DeadlySource {
    fn deadly(&self, plugin: Arc<dyn Callable>) -> Arc<dyn Callable> {
        Arc::new(Deadly { plugin, indices: Arc::clone(&self.indices) })
    }
}

#[async_trait]
impl PluginSource for DeadlySource {
    fn loaded(&self, digest: &Digest) -> Option<Arc<dyn Callable>> {
        self.plugins.loaded(digest).map(|plugin| self.deadly(plugin))
    }

    async fn load(&self, bytes: Vec<u8>) -> Result<Arc<dyn Callable>, Refusal> {
        self.plugins.load(bytes).await.map(|plugin| self.deadly(plugin))
    }
}

#[async_trait]
impl Callable for Deadly {
    async fn plan(&self, surroundings: Surroundings<'_>) -> CallReport<PlanOutput> {
        self.plugin.plan(surroundings).await
    }

    async fn run(&self, task: &TaskInput<'_>, surroundings: Surroundings<'_>) -> CallReport<TaskOutput> {
        let report = self.plugin.run(task, surroundings).await;
        if self.indices.contains(&task.index.0) {
            std::process::abort();
        }
        report
    }
}
