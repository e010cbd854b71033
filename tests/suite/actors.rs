//! A plugin that tests direct: its tasks begin, wait and fail as they say.

use async_trait::async_trait;
use latchwork::domain::digest::Digest;
use latchwork::domain::ids::IntervalId;
use latchwork::domain::task::{Failure, FailureKind, Outcome, TaskOutput};
use latchwork::sandbox::{CallReport, Callable, PlanOutput, PluginSource, Refusal, Surroundings, TaskInput};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

/// Every plugin of a host. A job's payload says how its tasks play: `"quick"`, `"held"` until they are let go, or
/// `"doomed"`, of which the first fails and the others are held.
#[derive(Clone)]
pub(crate) struct Actors(Arc<Scene>);

struct Scene {
    begun: Mutex<Vec<IntervalId>>,
    exits: Semaphore,
    dropped: AtomicUsize,
}

/// A held call; one that is dropped before it was let go is counted.
struct OnStage<'a> {
    scene: &'a Scene,
    has_left: bool,
}

impl Drop for OnStage<'_> {
    fn drop(&mut self) {
        if !self.has_left {
            self.scene.dropped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Actors {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Scene { begun: Mutex::default(), exits: Semaphore::new(0), dropped: AtomicUsize::new(0) }))
    }

    /// The interval of each call that has begun, in order.
    pub(crate) fn begun(&self) -> Vec<IntervalId> {
        self.0.begun.lock().unwrap().clone()
    }

    /// How many calls of an interval have begun.
    pub(crate) fn begun_of(&self, interval: IntervalId) -> usize {
        self.begun().into_iter().filter(|begun| *begun == interval).count()
    }

    /// Lets so many held calls end.
    pub(crate) fn let_go(&self, calls: usize) {
        self.0.exits.add_permits(calls);
    }

    /// How many held calls were dropped.
    pub(crate) fn dropped(&self) -> usize {
        self.0.dropped.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl PluginSource for Actors {
    fn loaded(&self, _: &Digest) -> Option<Arc<dyn Callable>> {
        Some(Arc::new(self.clone()))
    }

    async fn load(&self, _: Vec<u8>) -> Result<Arc<dyn Callable>, Refusal> {
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
impl Callable for Actors {
    async fn plan(&self, _: Surroundings<'_>) -> CallReport<PlanOutput> {
        let output = PlanOutput { stages: Vec::new(), keys: Default::default(), events: Vec::new() };
        CallReport { outcome: Outcome::Succeeded(output), log: Vec::new() }
    }

    async fn run(&self, task: &TaskInput<'_>, surroundings: Surroundings<'_>) -> CallReport<TaskOutput> {
        self.0.begun.lock().unwrap().push(surroundings.scope.job.interval);
        let outcome = match (surroundings.scope.job.payload.as_str(), task.index.0) {
            (r#""doomed""#, 0) => {
                Outcome::Failed(Failure { kind: FailureKind::Fatal, message: "as it was directed".to_owned() })
            }
            (r#""quick""#, _) => Outcome::Succeeded(TaskOutput::default()),
            _ => {
                let mut held = OnStage { scene: &self.0, has_left: false };
                self.0.exits.acquire().await.unwrap().forget();
                held.has_left = true;
                Outcome::Succeeded(TaskOutput::default())
            }
        };
        CallReport { outcome, log: Vec::new() }
    }
}
