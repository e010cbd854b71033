//! A host without its API, in this process, on a database of its own or beside others.

use anyhow::{Context, Result};
use latchwork::clock::{Clock, SystemClock};
use latchwork::domain::ceilings::Ceilings;
use latchwork::domain::digest::Digest;
use latchwork::domain::grants::Grants;
use latchwork::domain::host::HostProfile;
use latchwork::domain::ids::{IncarnationId, IntervalId, JobId};
use latchwork::domain::interval::{Firing, Origin};
use latchwork::domain::job::{DEFAULT_WORKSPACE, Job, JobSpec, Policy, WorkSpec};
use latchwork::domain::labels::Labels;
use latchwork::domain::rules::{JobRules, Retention};
use latchwork::domain::schedule::Schedule;
use latchwork::engine::{Engine, EngineParts};
use latchwork::recovery_settings::RecoverySettings;
use latchwork::sandbox::{Allowed, AllowedDirectories, PluginSource, Sandbox};
use latchwork::status::HostStatus;
use latchwork::store::{IntervalRecord, NewInterval, PluginVersion, PostgresStore, SqliteStore, Store};
use latchwork::wakeup::Wakeups;
use latchwork_tests::PostgresDatabase;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// The connections of a host to PostgreSQL, as they are by default.
const CONNECTIONS_MAX: u32 = 10;

/// How often the end of an interval is looked for.
const GLANCE: Duration = Duration::from_millis(20);

pub(crate) struct Workshop {
    files: TempDir,
    /// The host's identity, the same at every start.
    host_id: String,
    /// The PostgreSQL database that it is on; a file of its own where there is none.
    database_url: Option<String>,
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) allowed: Allowed,
    wakeups: Wakeups,
    guests: tokio::runtime::Handle,
}

impl Workshop {
    pub(crate) fn new(guests: &tokio::runtime::Handle) -> Result<Self> {
        let files = TempDir::new()?;
        let directories = AllowedDirectories::new(vec![
            format!("{}:rw", files.path().display()).parse().map_err(anyhow::Error::msg)?,
        ]);
        let allowed = Allowed { directories, ..Allowed::default() };
        Ok(Self {
            files,
            host_id: "bench".to_owned(),
            database_url: None,
            sandbox: Arc::new(Sandbox::new(latchwork_tests::compiler())?),
            allowed,
            wakeups: Wakeups::default(),
            guests: guests.clone(),
        })
    }

    /// One of the hosts on a PostgreSQL database.
    pub(crate) fn on(database: &PostgresDatabase, host_id: String, guests: &tokio::runtime::Handle) -> Result<Self> {
        Ok(Self { host_id, database_url: Some(database.url()), ..Self::new(guests)? })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    pub(crate) async fn open(&self) -> Result<Arc<dyn Store>> {
        Ok(match &self.database_url {
            None => Arc::new(SqliteStore::open(&self.path("bench.db")).await?),
            Some(url) => Arc::new(PostgresStore::open(url, CONNECTIONS_MAX).await?),
        })
    }

    /// The rows of the file, past the store.
    pub(crate) async fn rows(&self) -> Result<SqliteConnection> {
        Ok(SqliteConnectOptions::new().filename(self.path("bench.db")).connect().await?)
    }

    /// Starts the engine as a host would, on behalf of the same host as before.
    pub(crate) async fn start(&self, store: &Arc<dyn Store>) -> Result<Engine> {
        self.start_with(store, Arc::clone(&self.sandbox) as Arc<dyn PluginSource>).await
    }

    /// The same with plugins from another place.
    pub(crate) async fn start_with(&self, store: &Arc<dyn Store>, plugins: Arc<dyn PluginSource>) -> Result<Engine> {
        let parts = EngineParts {
            store: Arc::clone(store),
            plugins,
            clock: Arc::new(SystemClock),
            status: Arc::new(HostStatus::new(self.host_id.clone(), IncarnationId::generate())),
            profile: HostProfile::default(),
            wakeups: self.wakeups.clone(),
            allowed: self.allowed.clone(),
            vault: Arc::default(),
            ceilings: Ceilings::default(),
            recovery: RecoverySettings {
                is_enabled: true,
                is_default: true,
                check_every: Duration::from_secs(5),
                attempts_max: 3,
            },
            retention: Retention::default(),
            guests: self.guests.clone(),
        };
        Ok(Engine::start(parts).await?)
    }

    /// Uploads a plugin and compiles it, so that no measurement holds a compilation.
    pub(crate) async fn upload(&self, store: &Arc<dyn Store>, name: &str) -> Result<()> {
        let wasm = latchwork_tests::plugin(name);
        self.sandbox.load(wasm.clone()).await?;
        let version = PluginVersion {
            name: name.to_owned(),
            digest: Digest::of(&wasm),
            size_bytes: wasm.len() as u64,
            imports: Vec::new(),
            uploaded_at: SystemClock.now(),
        };
        store.put_plugin(&version, &wasm).await?;
        Ok(())
    }

    /// Creates a manual job and fires it.
    pub(crate) async fn fire(&self, store: &Arc<dyn Store>, plugin: &str, work: WorkSpec) -> Result<IntervalId> {
        let now = SystemClock.now();
        let spec = JobSpec {
            name: plugin.to_owned(),
            workspace_id: DEFAULT_WORKSPACE.to_owned(),
            plugin: plugin.to_owned(),
            schedule: Schedule::Manual,
            after: None,
            rules: JobRules::default(),
            enable_recovery: true,
            work,
        };
        let (id, interval) = (JobId::generate(), IntervalId::generate());
        let job = Job::new(id, spec, now);
        store.create_job(&job).await?;
        let firing = Firing { interval, job: id, origin: Origin::Trigger, scheduled_at: now, fired_at: now };
        store.trigger(&NewInterval { firing, is_tracked: true }, None).await?;
        self.wakeups.executor.nudge();
        Ok(interval)
    }

    /// Waits for an interval's end.
    pub(crate) async fn ended(&self, store: &Arc<dyn Store>, interval: IntervalId) -> Result<IntervalRecord> {
        loop {
            let record = store.interval(interval).await?.context("the interval is kept")?;
            if !record.state.is_open() {
                return Ok(record);
            }
            SystemClock.sleep_for(GLANCE).await;
        }
    }
}

/// What a job of `tasks` tasks asks for.
pub(crate) fn work(tasks: u32, max_parallel: u32, payload: &str) -> WorkSpec {
    WorkSpec {
        payload: payload.to_owned(),
        tasks: Some(tasks),
        policy: Policy { max_parallel, ..Policy::default() },
        grants: Grants::default(),
        requires: Labels::default(),
    }
}
