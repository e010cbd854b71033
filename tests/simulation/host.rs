//! One process of a host: a whole engine on a runtime of its own, so that its death is the end of all that it did.

use crate::clock::HostClock;
use crate::plugin::{Caller, Plugins};
use crate::store::FaultyStore;
use crate::world::World;
use latchwork::clock::Clock;
use latchwork::domain::ceilings::Ceilings;
use latchwork::domain::host::HostProfile;
use latchwork::domain::ids::IncarnationId;
use latchwork::domain::rules::Retention;
use latchwork::engine::{Engine, EngineParts};
use latchwork::recovery_settings::RecoverySettings;
use latchwork::sandbox::Allowed;
use latchwork::status::HostStatus;
use latchwork::wakeup::Wakeups;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long a host that is asked to stop lets its tasks run.
const GRACE: Duration = Duration::from_secs(3);

/// How many tasks of the runtime run before it looks elsewhere: until none is left.
const TASKS_IN_A_ROW: u32 = 1_000_000;

pub(crate) struct Host {
    pub(crate) number: usize,
    pub(crate) host_id: String,
    pub(crate) wakeups: Wakeups,
    runtime: Runtime,
    life: JoinHandle<String>,
    stop: Option<oneshot::Sender<()>>,
}

/// What a host is started with.
pub(crate) struct Start {
    pub(crate) number: usize,
    pub(crate) host_id: String,
    pub(crate) ahead: Duration,
    pub(crate) recovery: RecoverySettings,
}

impl Host {
    pub(crate) fn start(world: &Arc<World>, start: Start) -> Self {
        let Start { number, host_id, ahead, recovery } = start;
        // No timer and no sockets: what would wait for the machine's time panics.
        let runtime = Builder::new_current_thread().event_interval(TASKS_IN_A_ROW).build().unwrap();
        let incarnation = IncarnationId::generate();
        let clock: Arc<dyn Clock> = Arc::new(HostClock::new(&world.timeline, ahead));
        world.oracle().host_starts(number, &incarnation.to_string());
        let wakeups = Wakeups::default();
        let caller = Caller {
            world: Arc::clone(world),
            host: number,
            incarnation: incarnation.to_string(),
            clock: Arc::clone(&clock),
        };
        let parts = EngineParts {
            store: Arc::new(FaultyStore::new(Arc::clone(world), number)),
            plugins: Arc::new(Plugins::new(caller)),
            clock,
            status: Arc::new(HostStatus::new(host_id.clone(), incarnation)),
            profile: HostProfile::default(),
            wakeups: wakeups.clone(),
            allowed: Allowed::default(),
            vault: Arc::default(),
            ceilings: Ceilings::default(),
            recovery,
            retention: Retention::default(),
            guests: runtime.handle().clone(),
        };
        let (stop, stopped) = oneshot::channel();
        let life = runtime.spawn(live(parts, stopped));
        Self { number, host_id, wakeups, runtime, life, stop: Some(stop) }
    }

    /// Runs the host until it waits for something.
    pub(crate) fn run_until_idle(&self, world: &World) {
        loop {
            let before = world.activity();
            self.runtime.block_on(async {
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
            });
            if world.activity() == before {
                return;
            }
        }
    }

    /// Asks it to stop; false where it was asked before.
    pub(crate) fn ask_to_stop(&mut self) -> bool {
        self.stop.take().is_some_and(|stop| stop.send(()).is_ok())
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.life.is_finished()
    }

    /// Why it ended.
    pub(crate) fn ending(&mut self) -> String {
        self.runtime.block_on(&mut self.life).unwrap_or_else(|error| error.to_string())
    }
}

/// What `latchwork serve` does with the engine; returns why the process ends.
async fn live(parts: EngineParts, mut stopped: oneshot::Receiver<()>) -> String {
    let mut engine = match Engine::start(parts).await {
        Ok(engine) => engine,
        Err(error) => return format!("it could not start: {error}"),
    };
    let reason = tokio::select! {
        biased;
        _ = &mut stopped => "it was asked to stop",
        reason = engine.broken() => reason,
    };
    match engine.stop(GRACE).await {
        Ok(()) => reason.to_owned(),
        Err(error) => format!("{reason}, and could not give back what it held: {error}"),
    }
}
