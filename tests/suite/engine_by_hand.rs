//! The engine in this process, on a clock that the tests move by hand.

use crate::hands::Hands;
use crate::world::{START, World, at, manual_job};
use latchwork::clock::{Clock, ManualClock, SystemClock};
use latchwork::domain::ceilings::Ceilings;
use latchwork::domain::host::HostProfile;
use latchwork::domain::ids::{IncarnationId, IntervalId, TaskIndex};
use latchwork::domain::interval::IntervalState;
use latchwork::domain::job::Job;
use latchwork::domain::lanes::LaneCaps;
use latchwork::domain::lease::{HEARTBEAT_EVERY, LEASE_FOR};
use latchwork::domain::rules::Retention;
use latchwork::domain::timestamp::Timestamp;
use latchwork::engine::{Engine, EngineParts, Recovery, SharedTrust, Tick};
use latchwork::recovery_settings::RecoverySettings;
use latchwork::sandbox::{Allowed, PluginSource, Sandbox};
use latchwork::status::HostStatus;
use latchwork::store::{IntervalRecord, TaskNote};
use latchwork::vault::Vault;
use latchwork::wakeup::{Wakeup, Wakeups};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const HOUR: Duration = Duration::from_hours(1);

const RECOVERY: RecoverySettings =
    RecoverySettings { is_enabled: true, is_default: true, check_every: Duration::from_secs(5), attempts_max: 3 };

/// How often a test looks whether what it waits for has happened, and for how long on a busy machine.
const GLANCE: Duration = Duration::from_millis(5);
const GLANCES: u32 = 12_000;

/// A host that runs `misbehave` for every job.
pub(crate) struct Host {
    pub(crate) world: World,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) status: Arc<HostStatus>,
    pub(crate) wakeups: Wakeups,
    engine: Engine,
}

impl Host {
    async fn start(world: World, host_id: &str) -> Self {
        Self::with(world, host_id, Arc::new(Sandbox::new(latchwork_tests::compiler()).unwrap())).await
    }

    /// A host whose plugins come from somewhere else.
    pub(crate) async fn with(world: World, host_id: &str, plugins: Arc<dyn PluginSource>) -> Self {
        Self::born_as(IncarnationId::generate(), world, host_id, plugins).await
    }

    /// The same as a known incarnation.
    pub(crate) async fn born_as(
        incarnation: IncarnationId,
        world: World,
        host_id: &str,
        plugins: Arc<dyn PluginSource>,
    ) -> Self {
        Self::with_vault(incarnation, world, host_id, plugins, Arc::default()).await
    }

    /// The same with keys for secrets.
    pub(crate) async fn with_vault(
        incarnation: IncarnationId,
        world: World,
        host_id: &str,
        plugins: Arc<dyn PluginSource>,
        vault: Arc<Vault>,
    ) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        let status = Arc::new(HostStatus::new(host_id.to_owned(), incarnation));
        let wakeups = Wakeups::default();
        let parts = EngineParts {
            store: Arc::clone(&world.store),
            plugins,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            status: Arc::clone(&status),
            profile: HostProfile::default(),
            wakeups: wakeups.clone(),
            allowed: Allowed::default(),
            vault,
            // Every lane is everybody's: what caps do is another test's.
            ceilings: Ceilings { lanes: LaneCaps { job: u32::MAX, workspace: u32::MAX }, ..Ceilings::default() },
            recovery: RECOVERY,
            retention: Retention::default(),
            guests: tokio::runtime::Handle::current(),
        };
        let engine = Engine::start(parts).await.unwrap();
        Self { world, clock, status, wakeups, engine }
    }

    /// Fires a new job.
    pub(crate) async fn fire(&self, job: Job) -> IntervalId {
        let interval = self.world.fire_job(self.world.keep(job).await, self.clock.now()).await;
        self.wakeups.executor.nudge();
        interval
    }

    pub(crate) async fn ended(&self, interval: IntervalId) -> IntervalRecord {
        eventually(async || Some(self.world.view(interval).await).filter(|view| !view.state.is_open())).await
    }

    /// So many seconds pass, in each of which the host renews its lease.
    async fn lives_on(&self, seconds: u32) {
        for _ in 0..seconds {
            self.clock.advance(HEARTBEAT_EVERY);
            let renewed = self.clock.now() + LEASE_FOR;
            eventually(async || {
                let hosts = self.world.hosts(START).await.unwrap();
                let present = hosts.into_iter().find(|host| host.incarnation == self.status.incarnation);
                present.filter(|host| host.standing.expires_at == renewed)
            })
            .await;
        }
    }

    async fn recoveries(&self, interval: IntervalId) -> u32 {
        self.world.view(interval).await.recovery_attempts
    }

    async fn note(&self, interval: IntervalId) -> Option<TaskNote> {
        self.world.task_notes(interval, TaskIndex(0), TaskIndex(0)).await.unwrap().remove(&TaskIndex(0))
    }

    /// Waits until recovery has looked at the present instant.
    async fn has_checked(&self) {
        eventually(async || self.status.recovery_checked_at().filter(|at| *at == self.clock.now())).await;
    }

    pub(crate) async fn stop(self) {
        self.engine.stop(HOUR).await.unwrap();
    }
}

pub(crate) async fn eventually<T>(look: impl AsyncFn() -> Option<T>) -> T {
    for _ in 0..GLANCES {
        if let Some(found) = look().await {
            return found;
        }
        SystemClock.sleep_for(GLANCE).await;
    }
    panic!("what the test waits for does not happen");
}

async fn world() -> World {
    let world = World::new().await;
    world.upload("misbehave", &latchwork_tests::plugin("misbehave"), START).await;
    world
}

fn job(payload: &str, tasks: u32) -> Job {
    let mut job = manual_job();
    job.spec.plugin = "misbehave".to_owned();
    job.spec.work.payload = payload.to_owned();
    job.spec.work.tasks = Some(tasks);
    job
}

/// An interval of ten tasks of which host `a`, heard of for the last time at the start, completed three and let two go.
async fn interrupted_interval(world: &World) -> IntervalId {
    let dead = world.host("a", START).await;
    let interval = world.fire_job(world.keep(job(r#"{"act":"succeed"}"#, 10)).await, START).await;
    world.plan(dead, interval, &crate::world::tasks_only(10)).await;
    let mut hands = Hands::on(world, dead, interval, START).await;
    hands.start(5, START);
    hands.complete(0..3);
    hands.record(world).await.unwrap();
    interval
}

fn outcome(view: &IntervalRecord) -> (IntervalState, u64, u64, u32) {
    (view.state, view.counts.completed, view.duplicates, view.recovery_attempts)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_waits_for_its_time_however_long_that_is() {
    let host = Host::start(world().await, "a").await;
    let mut failing = job(r#"{"act":"retryable","until_attempt":2}"#, 1);
    failing.spec.work.policy.retry.backoff = 3 * HOUR;
    failing.spec.work.policy.retry.max_backoff = 3 * HOUR;
    let interval = host.fire(failing).await;
    let due_at: Timestamp = eventually(async || host.note(interval).await?.retry_at).await;
    assert!(due_at >= START + 3 * HOUR, "{due_at}");

    host.clock.advance(due_at.since(START) - Duration::from_millis(1));
    host.has_checked().await;
    let passing = host.fire(job(r#"{"act":"succeed"}"#, 1)).await;
    assert_eq!(host.ended(passing).await.state, IntervalState::Succeeded);
    assert_eq!(host.world.view(interval).await.state, IntervalState::Running, "not yet");

    host.clock.advance(Duration::from_millis(1));
    let view = host.ended(interval).await;
    assert_eq!(outcome(&view), (IntervalState::Succeeded, 1, 0, 0));
    assert_eq!(view.finished_at, Some(due_at));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_host_takes_up_a_dead_ones_interval_when_its_lease_has_run_out() {
    let world = world().await;
    let interval = interrupted_interval(&world).await;
    let host = Host::start(world, "b").await;
    host.lives_on(15).await;
    assert_eq!(host.recoveries(interval).await, 0, "the lease still holds");
    host.clock.advance(Duration::from_millis(1));
    // At this instant, and not only with the next regular look.
    eventually(async || (host.recoveries(interval).await == 1).then_some(())).await;
    assert_eq!(outcome(&host.ended(interval).await), (IntervalState::Succeeded, 10, 2, 1));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_host_takes_up_its_interval_at_once_when_it_starts_again() {
    let world = world().await;
    let interval = interrupted_interval(&world).await;
    let host = Host::start(world, "a").await;
    assert_eq!(host.world.view(interval).await.recovery_attempts, 1, "before the clock has moved at all");
    assert_eq!(outcome(&host.ended(interval).await), (IntervalState::Succeeded, 10, 2, 1));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_was_cut_off_gives_the_others_the_time_to_renew_before_it_judges() {
    let world = world().await;
    let other = world.host("a", START).await;
    let interval = world.fire_job(world.keep(job(r#"{"act":"succeed"}"#, 10)).await, START).await;
    world.plan(other, interval, &crate::world::tasks_only(10)).await;
    Hands::on(&world, other, interval, START).await;
    let host = Host::start(world, "b").await;
    host.lives_on(6).await;

    host.clock.advance(HOUR);
    host.has_checked().await;
    assert_eq!(host.recoveries(interval).await, 0, "neither of them could renew");
    host.world.renew_incarnation(other, host.clock.now()).await.unwrap();
    host.lives_on(4).await;
    host.has_checked().await;
    assert_eq!(host.recoveries(interval).await, 0, "the other one is back");
    host.lives_on(1).await;
    eventually(async || (host.recoveries(interval).await == 1).then_some(())).await;
    host.stop().await;
}

#[tokio::test]
async fn a_host_that_slept_past_its_lease_does_not_take_itself_for_dead() {
    let world = World::new().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 10).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.start(2, START);
    hands.record(&world).await.unwrap();
    recovery_after(&world, owner, Duration::from_hours(24)).tick(at(86_400)).await.unwrap();
    assert_eq!(world.view(interval).await.recovery_attempts, 0);
    hands.complete(0..2);
    hands.record(&world).await.unwrap();
}

/// The recovery of host `a`, which has not renewed its lease for so long.
fn recovery_after(world: &World, owner: IncarnationId, silence: Duration) -> Recovery {
    let clock = Arc::new(ManualClock::at(START));
    let trust = SharedTrust::new(Arc::clone(&clock) as Arc<dyn Clock>, CancellationToken::new());
    clock.advance(silence);
    let status = Arc::new(HostStatus::new("a".to_owned(), owner));
    Recovery::new(Arc::clone(&world.store), RECOVERY, status, Arc::new(trust), Wakeup::default())
}

#[tokio::test]
async fn a_host_that_has_been_replaced_buries_nobody() {
    let world = World::new().await;
    let old = world.host("a", START).await;
    let new = world.host("a", at(1)).await;
    let interval = world.interval_of(new, 10).await;
    Hands::on(&world, new, interval, at(1)).await;
    recovery_after(&world, old, Duration::from_secs(60)).tick(at(60)).await.unwrap();
    assert_eq!(world.view(interval).await.recovery_attempts, 0);
}
