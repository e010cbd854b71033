//! A store of its own for each test, and hosts that do to it by hand what the engine does.

use latchwork::domain::backfill::{Backfill, BackfillMode, BackfillState};
use latchwork::domain::digest::Digest;
use latchwork::domain::grants::Grants;
use latchwork::domain::host::HostProfile;
use latchwork::domain::ids::{BackfillId, IncarnationId, IntervalId, JobId, TaskIndex};
use latchwork::domain::interval::{Firing, Origin};
use latchwork::domain::job::{Counts, DEFAULT_WORKSPACE, Job, JobSpec, Policy, WorkSpec};
use latchwork::domain::labels::Labels;
use latchwork::domain::lease::LEASE_FOR;
use latchwork::domain::plan::{DeclaredStage, Plan};
use latchwork::domain::rules::JobRules;
use latchwork::domain::schedule::{Period, Schedule};
use latchwork::domain::shares::LaneAsk;
use latchwork::domain::timestamp::Timestamp;
use latchwork::domain::worklist::LeasedSegment;
use latchwork::store::{
    Claim, Claimed, Incarnation, IntervalRecord, MadePlan, NewInterval, PlanRecord, PlanRoom, PluginVersion,
    PostgresStore, Recorded, Result, Resumed, SqliteStore, Store, StoreError, Takeover, Triggered, Uploaded,
};
use latchwork_tests::PostgresDatabase;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// The instant at which every test begins: 2026-01-01T00:00:00Z.
pub(crate) const START: Timestamp = Timestamp::from_ms(1_767_225_600_000);

/// How long a host renews its lease that a test starts and leaves alone.
const HEARD_FOR: Duration = Duration::from_secs(15).checked_sub(LEASE_FOR).expect("a lease is shorter");

/// The plugin of every job that says nothing else.
pub(crate) const PLUGIN: &str = "worker";

/// So many seconds after the beginning.
pub(crate) fn at(seconds: u64) -> Timestamp {
    START + Duration::from_secs(seconds)
}

/// A database that a store can be opened on.
#[derive(Clone, Copy)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// Where a store of its own keeps its rows.
enum Place {
    File(TempDir),
    Server(PostgresDatabase),
}

/// More than the tests of one store do at once.
const CONNECTIONS: u32 = 16;

impl Place {
    async fn new(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => Self::File(TempDir::new().unwrap()),
            Backend::Postgres => Self::Server(PostgresDatabase::new().await),
        }
    }

    async fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::File(files) => Arc::new(SqliteStore::open(&file(files)).await.unwrap()),
            Self::Server(database) => Arc::new(PostgresStore::open(&database.url(), CONNECTIONS).await.unwrap()),
        }
    }
}

impl Place {
    fn database(&self) -> PathBuf {
        match self {
            Self::File(files) => file(files),
            Self::Server(_) => panic!("a store on PostgreSQL has no file"),
        }
    }

    fn server(&self) -> &PostgresDatabase {
        match self {
            Self::File(_) => panic!("a store on SQLite has no server"),
            Self::Server(database) => database,
        }
    }
}

fn file(files: &TempDir) -> PathBuf {
    files.path().join("latchwork.db")
}

/// A store on a database of its own.
pub(crate) struct World {
    place: Place,
    pub(crate) store: Arc<dyn Store>,
}

/// The database of a store that nobody has open.
pub(crate) struct Closed(Place);

impl Closed {
    pub(crate) async fn opened(self) -> World {
        World { store: self.0.open().await, place: self.0 }
    }

    /// The file of a store on SQLite.
    pub(crate) fn database(&self) -> PathBuf {
        self.0.database()
    }

    /// The database of a store on PostgreSQL.
    pub(crate) fn server(&self) -> &PostgresDatabase {
        self.0.server()
    }

    /// Takes the schema one version back, and tells which it was.
    pub(crate) async fn revert(&self) -> Option<String> {
        match &self.0 {
            Place::File(files) => SqliteStore::revert(&file(files)).await.unwrap(),
            Place::Server(database) => PostgresStore::revert(&database.url()).await.unwrap(),
        }
    }
}

impl Deref for World {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

impl World {
    /// A new store on SQLite that has the plugin [`PLUGIN`] and nothing else.
    pub(crate) async fn new() -> Self {
        Self::on(Backend::Sqlite).await
    }

    /// The same on another database.
    pub(crate) async fn on(backend: Backend) -> Self {
        let place = Place::new(backend).await;
        let world = Self { store: place.open().await, place };
        world.upload(PLUGIN, b"a component", START).await;
        world
    }

    /// Closes the store and opens it again, as a restart does.
    pub(crate) async fn reopened(self) -> Self {
        self.closed().opened().await
    }

    /// Closes the store; its rows stay.
    pub(crate) fn closed(self) -> Closed {
        Closed(self.place)
    }

    /// The file of a store on SQLite.
    pub(crate) fn database(&self) -> PathBuf {
        self.place.database()
    }

    /// The database of a store on PostgreSQL.
    pub(crate) fn server(&self) -> &PostgresDatabase {
        self.place.server()
    }

    pub(crate) async fn upload(&self, name: &str, wasm: &[u8], uploaded_at: Timestamp) -> (Digest, Uploaded) {
        let (digest, size_bytes) = (Digest::of(wasm), wasm.len() as u64);
        let imports = vec!["latchwork:plugin/log".to_owned()];
        let version = PluginVersion { name: name.to_owned(), digest, size_bytes, imports, uploaded_at };
        (digest, self.put_plugin(&version, wasm).await.unwrap())
    }

    /// Starts a host, of which is heard until its lease runs out 15 s later.
    pub(crate) async fn host(&self, host_id: &str, started_at: Timestamp) -> IncarnationId {
        let id = self.host_with(host_id, started_at, HostProfile::default()).await;
        self.renew_incarnation(id, started_at + HEARD_FOR).await.unwrap();
        id
    }

    /// Starts a host that says something of itself, and of which nothing more is heard.
    pub(crate) async fn host_with(&self, host_id: &str, started_at: Timestamp, profile: HostProfile) -> IncarnationId {
        let id = IncarnationId::generate();
        let incarnation = Incarnation { id, host_id: host_id.to_owned(), started_at, profile };
        self.begin_incarnation(&incarnation).await.unwrap();
        id
    }

    /// Takes over what the dead held of an interval, as seen at `now`.
    pub(crate) async fn resume(
        &self,
        interval: IntervalId,
        fruitless: u32,
        attempts_max: u32,
        now: Timestamp,
    ) -> Result<Resumed> {
        let takeover = Takeover { fruitless, attempts_max, expired_before: now };
        self.store.resume(interval, takeover, now).await
    }

    /// What there is to claim for a host without labels.
    pub(crate) async fn claimable_intervals(
        &self,
        now: Timestamp,
        except: &[IntervalId],
        limit: u32,
    ) -> Result<Vec<IntervalId>> {
        self.store.claimable_intervals(IncarnationId::generate(), now, except, limit).await
    }

    /// Keeps a job, and returns its identity.
    pub(crate) async fn keep(&self, job: Job) -> JobId {
        self.create_job(&job).await.unwrap();
        job.id
    }

    /// Fires a job with progress tracking.
    pub(crate) async fn fire_job(&self, job: JobId, fired_at: Timestamp) -> IntervalId {
        let interval = firing(job, Origin::Trigger, fired_at);
        assert_eq!(self.trigger(&interval, None).await.unwrap(), Triggered::Started);
        interval.firing.interval
    }

    /// Fires a job for a backfill of its own.
    pub(crate) async fn backfill_job(&self, job: JobId, fired_at: Timestamp) -> IntervalId {
        let backfill = backfill_of(job, fired_at);
        assert!(self.create_backfill(&backfill).await.unwrap());
        let interval = firing(job, Origin::Backfill { backfill: backfill.id }, fired_at);
        assert_eq!(self.trigger(&interval, None).await.unwrap(), Triggered::Started);
        interval.firing.interval
    }

    /// Records one plan, of which nothing is claimed yet.
    pub(crate) async fn record_plan(
        &self,
        owner: IncarnationId,
        interval: IntervalId,
        plan: &Plan,
        record: PlanRecord,
        now: Timestamp,
    ) -> Result<Recorded> {
        let made = MadePlan { interval, plan: plan.clone(), record, lanes: 0, segments_max: 0 };
        let planned = self.record_plans(owner, &[made], now).await?.pop().flatten();
        planned.map(|planned| planned.recorded).ok_or(StoreError::LeaseLost(owner))
    }

    /// Claims segments of one interval.
    pub(crate) async fn claim_segments(&self, claim: Claim) -> Result<Vec<LeasedSegment>> {
        Ok(self.claim_lanes(claim).await?.segments)
    }

    /// The same with the lanes that come with it.
    pub(crate) async fn claim_lanes(&self, claim: Claim) -> Result<Claimed> {
        self.store.claim_segments(&[claim]).await?.pop().expect("an answer to each claim")
    }

    /// Claims plans, so many and whosever they are.
    pub(crate) async fn claim_pending(&self, owner: IncarnationId, at: Timestamp, all: u32) -> Result<Vec<IntervalId>> {
        self.store.claim_pending(owner, at, PlanRoom::for_anybody(all)).await
    }

    /// Claims all plans that are due and records this one.
    pub(crate) async fn plan(&self, owner: IncarnationId, interval: IntervalId, plan: &Plan) -> Recorded {
        assert!(self.claim_pending(owner, START, u32::MAX).await.unwrap().contains(&interval));
        self.record_plan(owner, interval, plan, no_writes(), START).await.unwrap()
    }

    /// A new manual job's interval with so many tasks, planned by `owner`.
    pub(crate) async fn interval_of(&self, owner: IncarnationId, tasks: u32) -> IntervalId {
        let job = self.keep(manual_job()).await;
        let interval = self.fire_job(job, START).await;
        self.plan(owner, interval, &tasks_only(tasks)).await;
        interval
    }

    /// The same without progress tracking.
    pub(crate) async fn untracked_interval_of(&self, owner: IncarnationId, tasks: u32) -> IntervalId {
        let job = self.keep(manual_job()).await;
        let interval = NewInterval { is_tracked: false, ..firing(job, Origin::Trigger, START) };
        assert_eq!(self.trigger(&interval, None).await.unwrap(), Triggered::Started);
        self.plan(owner, interval.firing.interval, &tasks_only(tasks)).await;
        interval.firing.interval
    }

    /// An interval that is there.
    pub(crate) async fn view(&self, interval: IntervalId) -> IntervalRecord {
        self.interval(interval).await.unwrap().expect("the interval is kept")
    }

    /// An interval's counters.
    pub(crate) async fn counts(&self, interval: IntervalId) -> Counts {
        self.view(interval).await.counts
    }

    /// The numbers of the segments that a claim gets.
    pub(crate) async fn claim(
        &self,
        owner: IncarnationId,
        interval: IntervalId,
        now: Timestamp,
        limit: u32,
    ) -> Vec<u32> {
        let claim = Claim { owner, interval, reopened: self.view(interval).await.reopened, lanes: A_LANE, limit, now };
        self.claim_segments(claim).await.unwrap().iter().map(|segment| segment.span.number).collect()
    }

    /// The indices of an interval's tasks that are recorded as completed.
    pub(crate) async fn completed(&self, interval: IntervalId) -> Vec<u32> {
        let segments = self.segments(interval, TaskIndex(0), u32::MAX).await.unwrap();
        let done = |segment: &latchwork::store::SegmentRecord| {
            segment.progress.done().iter().map(|offset| segment.first + offset).collect::<Vec<_>>()
        };
        segments.iter().flat_map(done).collect()
    }
}

/// A wish for a lane of so many that it never comes to them.
pub(crate) const A_LANE: LaneAsk = LaneAsk { max: 1_000_000, in_use: 0, wanted: 1 };

/// A job that fires only when it is told to.
pub(crate) fn manual_job() -> Job {
    let work = WorkSpec {
        payload: "null".to_owned(),
        tasks: None,
        policy: Policy::default(),
        grants: Grants::default(),
        requires: Labels::default(),
    };
    let spec = JobSpec {
        name: "audit".to_owned(),
        workspace_id: DEFAULT_WORKSPACE.to_owned(),
        plugin: PLUGIN.to_owned(),
        schedule: Schedule::Manual,
        after: None,
        rules: JobRules::default(),
        enable_recovery: true,
        work,
    };
    Job::new(JobId::generate(), spec, START)
}

/// A job that fires on a schedule, for the first time after the beginning.
pub(crate) fn job_on(schedule: Schedule) -> Job {
    let mut job = manual_job();
    job.spec.schedule = schedule;
    Job::new(job.id, job.spec, START)
}

/// Every so many seconds, counted from the beginning.
pub(crate) fn every(seconds: u64) -> Schedule {
    Schedule::Every { period: Period::new(Duration::from_secs(seconds)).unwrap(), anchor: START }
}

/// A firing that is due and found due at one instant, with progress tracking.
pub(crate) fn firing(job: JobId, origin: Origin, now: Timestamp) -> NewInterval {
    let firing = Firing { interval: IntervalId::generate(), job, origin, scheduled_at: now, fired_at: now };
    NewInterval { firing, is_tracked: true }
}

/// A backfill of the failed ones among the first hundred seconds.
pub(crate) fn backfill_of(job: JobId, created_at: Timestamp) -> Backfill {
    Backfill {
        id: BackfillId::generate(),
        job,
        mode: BackfillMode::Failed,
        state: BackfillState::Running,
        from: START,
        until: at(100),
        next_at: START,
        max_parallel: 3,
        planned: 10,
        fired: 0,
        created_at,
        finished_at: None,
    }
}

/// A plan of one stage.
pub(crate) fn tasks_only(tasks: u32) -> Plan {
    Plan::new(Vec::new(), tasks).unwrap()
}

/// A plan of stages: name, tasks, what it waits for.
pub(crate) fn stages(declared: &[(&str, u32, &[&str])]) -> Plan {
    let stage = |&(name, tasks, waits_for): &(&str, u32, &[&str])| DeclaredStage {
        name: name.to_owned(),
        tasks,
        waits_for: waits_for.iter().map(|&name| name.to_owned()).collect(),
    };
    Plan::new(declared.iter().map(stage).collect(), 1).unwrap()
}

/// What a plan leaves that writes nothing.
pub(crate) fn no_writes() -> PlanRecord {
    PlanRecord::default()
}
