//! Starts the engine's loops and stops them in order.

use super::backfill::Backfiller;
use super::checkpoints::Checkpoints;
use super::ended::EndedIntervals;
use super::executor::Executor;
use super::heartbeat::{Heartbeat, set_clock};
use super::intake::Intake;
use super::keeper::Keeper;
use super::loader::Loader;
use super::plan_recorder::PlanRecorder;
use super::planner::Planner;
use super::publisher::Publisher;
use super::recorder::{Recorder, RecorderParts};
use super::recovery::Recovery;
use super::scheduler::Scheduler;
use super::tick;
use super::trust::SharedTrust;
use super::turnstile::Turnstile;
use super::waits::patiently;
use crate::clock::Clock;
use crate::domain::ceilings::Ceilings;
use crate::domain::host::{HostProfile, Role};
use crate::domain::ids::IncarnationId;
use crate::domain::lease::HEARTBEAT_EVERY;
use crate::domain::rules::Retention;
use crate::domain::timestamp::Timestamp;
use crate::recovery_settings::RecoverySettings;
use crate::sandbox::{Allowed, Network, PluginSource};
use crate::status::HostStatus;
use crate::store::{Incarnation, Store, StoreError};
use crate::vault::Vault;
use crate::wakeup::{Wakeup, Wakeups};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tracing::{info, warn};

/// How long the loops wait when nothing nudges them and nothing is known to be due sooner.
const EXECUTE_EVERY: Duration = Duration::from_secs(1);
const SCHEDULE_EVERY: Duration = Duration::from_secs(10);

/// A cancelled interval's tasks are interrupted within a second, also where another host was asked to cancel it.
const NOTICE_ENDED_EVERY: Duration = Duration::from_millis(250);

const BACKFILL_EVERY: Duration = Duration::from_secs(5);

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
    /// What it takes on and offers.
    pub profile: HostProfile,
    /// How the loops are woken.
    pub wakeups: Wakeups,
    /// What jobs may be granted.
    pub allowed: Allowed,
    /// What opens secrets.
    pub vault: Arc<Vault>,
    /// How far they may go here.
    pub ceilings: Ceilings,
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
    /// None where this host is no worker.
    executor: Option<Arc<Executor>>,
    /// What writes for lanes and planners, each until nobody can hand in anything any more.
    writers: JoinSet<()>,
    loops: JoinSet<()>,
    stop: CancellationToken,
    dethroned: CancellationToken,
    drain: CancellationToken,
}

impl Engine {
    /// Sets the clock, begins this incarnation, recovers what earlier ones left, and starts the loops that its roles ask
    /// for.
    pub async fn start(parts: EngineParts) -> Result<Self, StoreError> {
        let (owner, host_id, profile) = (parts.status.incarnation, parts.status.host_id.clone(), parts.profile.clone());
        let (stop, dethroned) = (CancellationToken::new(), CancellationToken::new());
        patiently(&*parts.clock, || set_clock(&*parts.store, &*parts.clock)).await?;
        let started_at = parts.clock.now();
        let trust = Arc::new(SharedTrust::new(Arc::clone(&parts.clock), dethroned.clone()));
        let incarnation = Incarnation { id: owner, host_id, started_at, profile };
        let asked_at = parts.clock.reading();
        patiently(&*parts.clock, || parts.store.begin_incarnation(&incarnation)).await?;
        parts.status.note_renewal(asked_at);
        let works = match parts.profile.roles.has(Role::Worker) {
            true => Works::start(&parts, owner, &trust, (&stop, &dethroned)),
            false => Works::none(),
        };
        let mut engine = Self {
            store: Arc::clone(&parts.store),
            clock: Arc::clone(&parts.clock),
            status: Arc::clone(&parts.status),
            executor: works.executor,
            writers: works.writers,
            loops: JoinSet::new(),
            stop,
            dethroned,
            drain: CancellationToken::new(),
        };
        engine.spawn_heartbeat(owner, &trust);
        if parts.profile.roles.recover() {
            engine.spawn_recovery(&parts, trust).await?;
        }
        if parts.profile.roles.has(Role::Scheduler) {
            engine.spawn_scheduler(&parts);
        }
        engine.spawn_executor(&parts.wakeups);
        Ok(engine)
    }

    /// Goes on while running tasks end, so it is not stopped with the other loops.
    fn spawn_heartbeat(&mut self, owner: IncarnationId, trust: &Arc<SharedTrust>) {
        let heartbeat = Heartbeat {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            owner,
            trust: Arc::clone(trust),
            status: Arc::clone(&self.status),
            dethroned: self.dethroned.clone(),
            drain: self.drain.clone(),
        };
        self.spawn(heartbeat, HEARTBEAT_EVERY, Wakeup::default(), self.dethroned.clone());
    }

    /// Looks once before anything else is begun.
    async fn spawn_recovery(&mut self, parts: &EngineParts, trust: Arc<SharedTrust>) -> Result<(), StoreError> {
        let (status, executor) = (Arc::clone(&parts.status), parts.wakeups.executor.clone());
        let recovery = Recovery::new(Arc::clone(&parts.store), parts.recovery, status, trust, executor);
        // Not since when it started: the clock may have been set back while the store took its time.
        match recovery.check_at_start(self.clock.now()).await {
            // Its loop looks again as soon as the database is back.
            Err(error) if error.is_away() => {}
            checked => checked?,
        }
        self.spawn(recovery, parts.recovery.check_every, Wakeup::default(), self.stop.clone());
        Ok(())
    }

    fn spawn_scheduler(&mut self, parts: &EngineParts) {
        let EngineParts { store, clock, wakeups, recovery, retention, .. } = parts;
        let scheduler = Scheduler::new(Arc::clone(store), recovery.is_enabled, wakeups.executor.clone());
        let backfiller = Backfiller::new(Arc::clone(store), recovery.is_enabled, wakeups.executor.clone());
        let keeper = Keeper::new(Arc::clone(store), Arc::clone(clock), *retention);
        self.spawn(scheduler, SCHEDULE_EVERY, wakeups.scheduler.clone(), self.stop.clone());
        self.spawn(backfiller, BACKFILL_EVERY, wakeups.backfiller.clone(), self.stop.clone());
        self.spawn(keeper, KEEP_EVERY, Wakeup::default(), self.stop.clone());
    }

    fn spawn_executor(&mut self, wakeups: &Wakeups) {
        let Some(executor) = self.executor.clone() else { return };
        // While running tasks end, intervals may end, too.
        let ended = EndedIntervals { executor: Arc::clone(&executor) };
        self.spawn(ended, NOTICE_ENDED_EVERY, wakeups.ended.clone(), self.dethroned.clone());
        let publisher = Publisher { executor: Arc::clone(&executor) };
        self.spawn(publisher, PUBLISH_EVERY, Wakeup::default(), self.stop.clone());
        self.spawn(executor, EXECUTE_EVERY, wakeups.executor.clone(), self.stop.clone());
    }

    fn spawn(&mut self, work: impl tick::Tick + 'static, every: Duration, wakeup: Wakeup, stop: CancellationToken) {
        let clock = Arc::clone(&self.clock);
        self.loops.spawn(async move { tick::run(&work, every, &*clock, &wakeup, &stop).await });
    }

    /// Returns when the host must stop, with the reason: another host has taken over its work, or a part of the engine
    /// has failed. What is left undone then is recovered at the next start.
    pub async fn broken(&mut self) -> &'static str {
        tokio::select! {
            biased;
            () = self.dethroned.cancelled() => "another host has taken over the work of this one",
            Some(_) = self.loops.join_next() => "a loop of the engine has failed",
            Some(_) = self.writers.join_next() => "a recorder of the engine has failed",
        }
    }

    /// Completes when somebody has asked this host to finish and leave.
    pub fn asked_to_drain(&self) -> WaitForCancellationFutureOwned {
        self.drain.clone().cancelled_owned()
    }

    /// Begins no further task, lets running ones end for at most `grace`, and gives back what is held.
    pub async fn stop(self, grace: Duration) -> Result<(), StoreError> {
        let Self { store, clock, status, executor, mut writers, mut loops, stop, dethroned, .. } = self;
        stop.cancel();
        info!("Stopping: no new tasks; running ones have {grace:?} to end");
        if let Some(executor) = &executor {
            tokio::select! {
                biased;
                () = executor.drained() => {}
                () = clock.sleep_until(clock.now() + grace) => warn!("Letting go of tasks that still run"),
            }
            executor.let_go();
        }
        dethroned.cancel();
        while loops.join_next().await.is_some() {}
        // The executor holds the last ways to them: without it, what has been handed in is written and they end.
        drop(executor);
        let until: Timestamp = clock.now() + grace;
        tokio::select! {
            biased;
            () = async { while writers.join_next().await.is_some() {} } => {}
            () = clock.sleep_until(until) => warn!("The last completed tasks could not be recorded; they run again"),
        }
        store.end_incarnation(status.incarnation, clock.now()).await
    }
}

/// The parts that run tasks and write for them, joined to each other.
struct Works {
    executor: Option<Arc<Executor>>,
    writers: JoinSet<()>,
}

impl Works {
    /// Those of a host that runs no tasks.
    fn none() -> Self {
        Self { executor: None, writers: JoinSet::new() }
    }

    fn start(
        parts: &EngineParts,
        owner: IncarnationId,
        trust: &Arc<SharedTrust>,
        (stop, dethroned): (&CancellationToken, &CancellationToken),
    ) -> Self {
        let (store, clock, guests) = (&parts.store, &parts.clock, &parts.guests);
        let (executor, turnstile) = (&parts.wakeups.executor, Arc::new(Turnstile::new(parts.ceilings.lanes)));
        let mut writers = JoinSet::new();
        let recorder = Recorder::new(RecorderParts {
            store: Arc::clone(store),
            clock: Arc::clone(clock),
            owner,
            trust: Arc::clone(trust),
            turnstile: Arc::clone(&turnstile),
            executor: executor.clone(),
            stop: stop.clone(),
            dethroned: dethroned.clone(),
        })
        .start(&mut writers, guests);
        let checkpoints = Checkpoints::start(Arc::clone(store), Arc::clone(clock), owner, &mut writers, guests);
        let plans = PlanRecorder { store: Arc::clone(store), clock: Arc::clone(clock), owner };
        let plans = plans.start(&mut writers, guests);
        let loader = Loader {
            store: Arc::clone(store),
            plugins: Arc::clone(&parts.plugins),
            clock: Arc::clone(clock),
            checkpoints,
            allowed: parts.allowed.clone(),
            network: Network::new(parts.allowed.addresses.clone()),
            vault: Arc::clone(&parts.vault),
            ceilings: parts.ceilings,
            owner,
        };
        let intake = Intake {
            loader: Arc::new(loader),
            planner: Planner { plans, clock: Arc::clone(clock), executor: executor.clone() },
            recorder,
            turnstile,
            guests: guests.clone(),
            clock: Arc::clone(clock),
            active: Arc::default(),
        };
        let executor = Arc::new(Executor::new(Arc::clone(store), owner, intake, executor.clone()));
        Self { executor: Some(executor), writers }
    }
}
