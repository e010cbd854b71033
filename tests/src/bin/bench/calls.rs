//! Single calls of the no-op plugin through our sandbox, without an engine around them.

use anyhow::Result;
use async_trait::async_trait;
use latchwork::clock::{Clock, SystemClock};
use latchwork::domain::ids::{IntervalId, JobId, TaskIndex};
use latchwork::domain::job::Policy;
use latchwork::domain::key_quota::KeyUsage;
use latchwork::domain::task::Outcome;
use latchwork::domain::turns::Party;
use latchwork::sandbox::{
    JobInput, KeyReader, KeysUnavailable, Limits, Plugin, Reach, Sandbox, Scope, Surroundings, TaskInput, WarmCell,
};
use std::sync::Arc;

pub(crate) struct NoopCalls {
    plugin: Plugin,
    scope: Arc<Scope>,
}

impl NoopCalls {
    pub(crate) async fn new(sandbox: &Sandbox) -> Result<Self> {
        let plugin = sandbox.load(latchwork_tests::plugin("noop")).await?;
        let job = JobInput {
            workspace_id: "default".to_owned(),
            job: JobId::generate(),
            job_name: "noop".to_owned(),
            interval: IntervalId::generate(),
            scheduled_at: SystemClock.now(),
            payload: "null".to_owned(),
            tasks: 1,
        };
        let party = Arc::new(Party { workspace: job.workspace_id.as_str().into(), job: job.job, weight: 1 });
        let Policy { timeout, memory_bytes_max, key_bytes_max, limits, .. } = Policy::default();
        let limits = Limits { timeout, memory_bytes_max, key_bytes_max, call: limits };
        let scope = Scope::new(job, limits, party, Reach::default(), Arc::new(NoKeys), || SystemClock.now());
        Ok(Self { plugin, scope })
    }

    /// Calls the task with an index out of so many, in a fresh sandbox or in the warm one that is given.
    pub(crate) async fn call(&self, index: u32, total: u32, warm: Option<&mut WarmCell>) {
        let Self { plugin, scope } = self;
        let task = TaskInput {
            index: TaskIndex(index),
            total,
            stage: "tasks",
            stage_index: index,
            stage_total: total,
            attempt: 1,
            fencing_token: 1,
            checkpoint: None,
        };
        let report = plugin.run(&task, Surroundings { scope, task: None, warm }).await;
        assert!(matches!(report.outcome, Outcome::Succeeded(_)), "{report:?}");
    }
}

struct NoKeys;

#[async_trait]
impl KeyReader for NoKeys {
    async fn get(&self, _key: &str) -> Result<Option<Vec<u8>>, KeysUnavailable> {
        Ok(None)
    }

    async fn list(&self, _prefix: &str, _after: Option<&str>, _limit: u32) -> Result<Vec<String>, KeysUnavailable> {
        Ok(Vec::new())
    }

    async fn usage(&self, _keys: &[String]) -> Result<KeyUsage, KeysUnavailable> {
        Ok(KeyUsage::default())
    }
}
