//! What a call in this process is given: small limits, and a host that answers everything.

use async_trait::async_trait;
use latchwork::domain::call_limits::CallLimits;
use latchwork::domain::ids::{IntervalId, JobId, TaskIndex};
use latchwork::domain::key_quota::KeyUsage;
use latchwork::domain::timestamp::Timestamp;
use latchwork::domain::turns::Party;
use latchwork::sandbox::{
    Denied, JobInput, KeyReader, KeysUnavailable, Limits, Reach, Scope, Surroundings, TaskInput, TaskSide, WarmCell,
};
use std::sync::Arc;
use std::time::Duration;

/// How long a call may take.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(50);

struct Host;

#[async_trait]
impl KeyReader for Host {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeysUnavailable> {
        Ok(Some(key.into()))
    }

    async fn list(&self, prefix: &str, _: Option<&str>, limit: u32) -> Result<Vec<String>, KeysUnavailable> {
        Ok(vec![prefix.to_owned(); limit.min(10) as usize])
    }

    async fn usage(&self, _: &[String]) -> Result<KeyUsage, KeysUnavailable> {
        Ok(KeyUsage { total: 0, replaced: 0 })
    }
}

#[async_trait]
impl TaskSide for Host {
    async fn save_checkpoint(&self, _: Vec<u8>) -> Result<(), Denied> {
        Ok(())
    }

    async fn output(&self, stage: &str, _: u32) -> Result<Option<Vec<u8>>, Denied> {
        Err(Denied::Invalid(stage.to_owned()))
    }
}

/// For all calls of an interval.
pub(crate) fn scope() -> Arc<Scope> {
    let job = job();
    let limits = Limits {
        timeout: TIMEOUT,
        memory_bytes_max: 4 << 20,
        key_bytes_max: 1 << 20,
        call: CallLimits { cpu_max: TIMEOUT, ..CallLimits::default() },
    };
    let party = Arc::new(Party { workspace: "default".into(), job: job.job, weight: 1 });
    Scope::new(job, limits, party, Reach::default(), Arc::new(Host), || Timestamp::from_ms(0))
}

/// For a plan.
pub(crate) fn of_plan(scope: &Arc<Scope>) -> Surroundings<'_> {
    Surroundings { scope, task: None, warm: None }
}

/// For a task.
pub(crate) fn of_task<'a>(scope: &'a Arc<Scope>, warm: &'a mut WarmCell) -> Surroundings<'a> {
    Surroundings { scope, task: Some(Arc::new(Host)), warm: Some(warm) }
}

fn job() -> JobInput {
    JobInput {
        workspace_id: "default".to_owned(),
        job: JobId::generate(),
        job_name: "job".to_owned(),
        interval: IntervalId::generate(),
        scheduled_at: Timestamp::from_ms(0),
        payload: "null".to_owned(),
        tasks: 1,
    }
}

pub(crate) fn task() -> TaskInput<'static> {
    TaskInput {
        index: TaskIndex(0),
        total: 1,
        stage: "tasks",
        stage_index: 0,
        stage_total: 1,
        attempt: 1,
        fencing_token: 1,
        checkpoint: Some(b"saved".to_vec()),
    }
}
