//! What a call in this process is given: small limits, and a host that answers everything.

use async_trait::async_trait;
use latchwork::domain::call_limits::CallLimits;
use latchwork::domain::grants::{Access, DirectoryGrant};
use latchwork::domain::ids::{IntervalId, JobId, TaskIndex};
use latchwork::domain::key_quota::KeyUsage;
use latchwork::domain::timestamp::Timestamp;
use latchwork::domain::turns::Party;
use latchwork::sandbox::{
    AllowedDirectories, Denied, JobInput, KeyReader, KeysUnavailable, Limits, Reach, Scope, Surroundings, TaskInput,
    TaskSide, WarmCell,
};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a call may take.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(50);

/// How much longer than its limit a call may take, on a machine that does other things.
pub(crate) const LATE: Duration = Duration::from_secs(10);

/// Keeps the checkpoint that was saved last.
#[derive(Default)]
pub(crate) struct Host(Mutex<Option<Vec<u8>>>);

impl Host {
    pub(crate) fn saved(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap().clone()
    }
}

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
    async fn save_checkpoint(&self, bytes: Vec<u8>) -> Result<(), Denied> {
        *self.0.lock().unwrap() = Some(bytes);
        Ok(())
    }

    async fn output(&self, stage: &str, _: u32) -> Result<Option<Vec<u8>>, Denied> {
        Err(Denied::Invalid(stage.to_owned()))
    }
}

/// A directory that calls may write to.
pub(crate) fn directory(path: &Path) -> Reach {
    let grant = DirectoryGrant { path: path.to_owned(), mount: "/data".to_owned(), access: Access::ReadWrite };
    let allowed = AllowedDirectories::new(vec![format!("{}:rw", path.display()).parse().unwrap()]);
    Reach { directories: vec![allowed.open(&grant).unwrap()], ..Reach::default() }
}

/// For all calls of an interval.
pub(crate) fn scope(reach: Reach) -> Arc<Scope> {
    let limits = Limits {
        timeout: TIMEOUT,
        memory_bytes_max: 4 << 20,
        key_bytes_max: 1 << 20,
        call: CallLimits { cpu_max: TIMEOUT, ..CallLimits::default() },
    };
    scope_with("null".to_owned(), limits, reach)
}

/// The same with a payload, limits and a reach.
pub(crate) fn scope_with(payload: String, limits: Limits, reach: Reach) -> Arc<Scope> {
    let job = JobInput { payload, ..job() };
    let party = Arc::new(Party { workspace: "default".into(), job: job.job, weight: 1 });
    Scope::new(job, limits, party, reach, Arc::<Host>::default(), || Timestamp::from_ms(0))
}

/// For a plan.
pub(crate) fn of_plan(scope: &Arc<Scope>) -> Surroundings<'_> {
    Surroundings { scope, task: None, warm: None }
}

/// For a task.
pub(crate) fn of_task<'a>(scope: &'a Arc<Scope>, warm: &'a mut WarmCell) -> Surroundings<'a> {
    Surroundings { scope, task: Some(Arc::<Host>::default()), warm: Some(warm) }
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
