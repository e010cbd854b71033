//! Starts the engine's loops and stops them in order.

use super::executor::Executor;
use super::heartbeat::Heartbeat;
use super::intake::Intake;
use super::keeper::Keeper;
use super::loader::Loader;
use super::plan_recorder::PlanRecorder;
use super::planner::Planner;
use super::publisher::Publisher;
use super::recorder::Recorder;
use super::recovery::Recovery;
use super::scheduler::Scheduler;
use super::tick;
use crate::clock::Clock;
use crate::domain::lease::{HEARTBEAT_EVERY, Trust};
use crate::domain::rules::Retention;
use crate::domain::timestamp::Timestamp;
use crate::recovery_settings::RecoverySettings;
use crate::sandbox::{AllowedDirectories, PluginSource};
use crate::status::HostStatus;
use crate::store::{Incarnation, Store, StoreError};
use crate::wakeup::{Wakeup, Wakeups};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How long the loops wait when nothing nudges them and nothing is known to be due sooner.
const EXECUTE_EVERY: Duration = Duration::from_secs(1);
const SCHEDULE_EVERY: Duration = Duration::from_secs(10);

/// `jobs.interval_progress` is current to the second.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// How often jobs with new history are looked at.
const KEEP_EVERY: Duration = Duration::from_mins(1);

/// What the engine works with.
pub struct EngineParts {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// What runs plugins.
    pub plugins: Arc<dyn PluginSource>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who this is.
    pub status: Arc<HostStatus>,
    /// How the loops are woken.
    pub wakeups: Wakeups,
    /// What jobs may be granted.
    pub allowed: AllowedDirectories,
    /// How interrupted intervals are treated.
    pub recovery: RecoverySettings,
    /// How long ended intervals are kept of jobs that do not say.
    pub retention: Retention,
    /// Where guests run.
    pub guests: tokio::runtime::Handle,
}

/// The running engine.
pub struct Engine {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    status: Arc<HostStatus>,
    executor: Arc<Executor>,
    recorder: JoinHandle<()>,
    plan_recorder: JoinHandle<()>,
    loops: JoinSet<()>,
    stop: CancellationToken,
    dethroned: CancellationToken,
}

impl Engine {
    /// Begins this incarnation, recovers what earlier ones left, and starts the loops.
    pub async fn start(parts: EngineParts) -> Result<Self, StoreError> {
        let EngineParts { store, plugins, clock, status, wakeups, allowed, recovery, retention, guests } = parts;
        let owner = status.incarnation;
        let started_at = clock.now();
        store.begin_incarnation(&Incarnation { id: owner, host_id: status.host_id.clone(), started_at }).await?;
        let trust = Arc::new(Mutex::new(Trust::renewed(started_at)));
        let (stop, dethroned) = (CancellationToken::new(), CancellationToken::new());

        let (exchange, recorder) = Recorder::new(
            Arc::clone(&store),
            Arc::clone(&clock),
            owner,
            Arc::clone(&trust),
            wakeups.executor.clone(),
            stop.clone(),
            dethroned.clone(),
        )
        .start(&guests);
        let plan_recorder = PlanRecorder { store: Arc::clone(&store), clock: Arc::clone(&clock), owner };
        let (plans, plan_recorder) = plan_recorder.start(&guests);
        let loader = Loader { store: Arc::clone(&store), plugins, clock: Arc::clone(&clock), allowed, owner };
        let intake = Intake {
            loader: Arc::new(loader),
            planner: Planner { plans, clock: Arc::clone(&clock) },
            recorder: exchange,
            guests,
            clock: Arc::clone(&clock),
            active: Arc::default(),
        };
        let executor = Arc::new(Executor::new(Arc::clone(&store), owner, intake, wakeups.executor.clone()));
        let recoverer = Recovery::new(Arc::clone(&store), recovery, Arc::clone(&status), wakeups.executor.clone());
        recoverer.check_at_start(started_at).await?;
        let scheduler = Scheduler::new(Arc::clone(&store), recovery.is_enabled, wakeups.executor.clone());
        let heartbeat = Heartbeat { store: Arc::clone(&store), owner, trust, dethroned: dethroned.clone() };
        let keeper = Keeper::new(Arc::clone(&store), Arc::clone(&clock), retention);
        let publisher = Publisher { executor: Arc::clone(&executor) };

        let mut engine = Self {
            store,
            clock,
            status,
            executor: Arc::clone(&executor),
            recorder,
            plan_recorder,
            loops: JoinSet::new(),
            stop,
            dethroned,
        };
        // The heartbeat goes on while running tasks end, so it is not stopped with the others.
        engine.spawn(heartbeat, HEARTBEAT_EVERY, Wakeup::default(), engine.dethroned.clone());
        engine.spawn(scheduler, SCHEDULE_EVERY, wakeups.scheduler, engine.stop.clone());
        engine.spawn(recoverer, recovery.check_every, Wakeup::default(), engine.stop.clone());
        engine.spawn(keeper, KEEP_EVERY, Wakeup::default(), engine.stop.clone());
        engine.spawn(publisher, PUBLISH_EVERY, Wakeup::default(), engine.stop.clone());
        engine.spawn(executor, EXECUTE_EVERY, wakeups.executor, engine.stop.clone());
        Ok(engine)
    }

    fn spawn(&mut self, work: impl tick::Tick + 'static, every: Duration, wakeup: Wakeup, stop: CancellationToken) {
        let clock = Arc::clone(&self.clock);
        self.loops.spawn(async move { tick::run(&work, every, &*clock, &wakeup, &stop).await });
    }

    /// Returns when the host must stop, with the reason: another host has taken over its work, or a part of the engine
    /// has failed. What is left undone then is recovered at the next start.
    pub async fn broken(&mut self) -> &'static str {
        tokio::select! {
            () = self.dethroned.cancelled() => "another host has taken over the work of this one",
            _ = self.loops.join_next() => "a loop of the engine has failed",
            _ = &mut self.recorder => "the recorder has failed",
            _ = &mut self.plan_recorder => "the recorder of plans has failed",
        }
    }

    /// Begins no further task, lets running ones end for at most `grace`, and gives back what is held.
    pub async fn stop(self, grace: Duration) -> Result<(), StoreError> {
        let Self { store, clock, status, executor, mut recorder, mut plan_recorder, mut loops, stop, dethroned } = self;
        stop.cancel();
        info!("Stopping: no new tasks; running ones have {grace:?} to end");
        tokio::select! {
            () = executor.drained() => {}
            () = clock.sleep_until(clock.now() + grace) => warn!("Letting go of tasks that still run"),
        }
        executor.let_go();
        dethroned.cancel();
        while loops.join_next().await.is_some() {}
        // The executor holds the last way to the recorders: without it, what has been handed in is written and they end.
        drop(executor);
        let until: Timestamp = clock.now() + grace;
        let recorded = async {
            for recorder in [&mut recorder, &mut plan_recorder] {
                if !recorder.is_finished() {
                    let _ = recorder.await;
                }
            }
        };
        tokio::select! {
            () = recorded => {}
            () = clock.sleep_until(until) => warn!("The last completed tasks could not be recorded; they run again"),
        }
        store.end_incarnation(status.incarnation, clock.now()).await
    }
}
