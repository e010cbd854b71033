//! Puts the host together: opens the store, starts the engine and the API, and stops them in order.

mod secrets;

pub use secrets::{Rotation, rotate_secrets};

use crate::api::{self, AppState};
use crate::clock::{Clock, CorrectedClock, SystemClock};
use crate::config::Config;
use crate::database_setting::Database;
use crate::domain::host::HostProfile;
use crate::domain::ids::IncarnationId;
use crate::domain::rules::Retention;
use crate::engine::{Engine, EngineParts};
use crate::herald::Herald;
use crate::plugin_store_setting::PluginStore;
use crate::sandbox::{CodeCache, Compiler, PluginSource, Sandbox};
use crate::status::HostStatus;
use crate::store::{
    self, MoveError, MovedTable, Nul, ObjectError, Objects, Place, PostgresStore, SqliteStore, Store, StoreError,
};
use crate::wakeup::Wakeups;
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How long requests may go on after the engine has stopped.
const API_GRACE: Duration = Duration::from_secs(5);

/// How long a start waits before it looks again for a database that is away.
const OPEN_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Opens the database and brings its schema to this version.
pub async fn open(database: &Database, objects: Option<Objects>) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match database {
        Database::Sqlite(path) => Arc::new(SqliteStore::open(path).await?.with_objects(objects)),
        Database::Postgres { url, connections_max } => {
            Arc::new(PostgresStore::open(url, *connections_max).await?.with_objects(objects))
        }
    })
}

/// The place for the bytes of plugins; none where that is the database.
fn objects(place: &PluginStore) -> Result<Option<Objects>, ObjectError> {
    Ok(match place {
        PluginStore::Database => None,
        PluginStore::Directory(path) => Some(Objects::in_directory(path)?),
        PluginStore::Bucket { name, prefix } => Some(Objects::in_bucket(name, prefix)?),
    })
}

/// Undoes the migration applied last, and answers with its name; none where there is nothing to undo.
pub async fn revert(database: &Database) -> Result<Option<String>, StoreError> {
    match database {
        Database::Sqlite(path) => SqliteStore::revert(path).await,
        Database::Postgres { url, .. } => PostgresStore::revert(url).await,
    }
}

/// Copies everything from one database to another that is empty, while no host runs on either.
pub async fn copy(from: &Database, to: &Database, nul: Nul) -> Result<Vec<MovedTable>, MoveError> {
    store::move_installation(place(from), place(to), nul, SystemClock.now()).await
}

fn place(database: &Database) -> Place<'_> {
    match database {
        Database::Sqlite(path) => Place::Sqlite(path),
        Database::Postgres { url, .. } => Place::Postgres(url),
    }
}

/// Tells whoever gives the host more rights than it has a use for.
pub fn warn_of_root() {
    if rustix::process::geteuid().is_root() {
        warn!("Running as root: let an unprivileged user run the host, as packaging/latchwork.service does");
    }
}

/// Why a host stops.
#[derive(Clone, Copy)]
enum Reason {
    Signal,
    /// It was asked to leave over the API of some host.
    Drain,
    /// It cannot go on.
    Broken(&'static str),
}

/// Runs the host until a signal, until it is asked to leave, or until another host has taken over its work.
pub async fn serve(config: Config, guests: tokio::runtime::Handle) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    std::fs::create_dir_all(&config.data_dir)
        .with_context(|| format!("LATCHWORK_DATA_DIR: cannot create {}", config.data_dir.display()))?;
    let Some(Opened { store, listener, announcement }) = open_and_listen(&config, &mut signals).await? else {
        return Ok(());
    };
    secrets::tell_of_keys(&*store, &config.vault).await;
    let host_id = config.host_id.clone().map_or_else(|| kept_host_id(&config.data_dir), Ok)?;
    let state = AppState {
        store: Arc::clone(&store),
        sandbox: Arc::new(sandbox(&config)?),
        clock: Arc::new(clock()),
        status: Arc::new(HostStatus::new(host_id, IncarnationId::generate())),
        roles: config.roles.clone(),
        wakeups: Wakeups::default(),
        allowed: config.allowed,
        vault: config.vault,
        ceilings: config.ceilings,
        recovery: config.recovery,
        upload_bytes_max: config.upload_bytes_max,
        streams: Arc::new(Semaphore::new(api::STREAMS_MAX)),
        stop: CancellationToken::new(),
    };
    let profile = HostProfile {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        roles: config.roles,
        labels: config.labels,
        address: listener.local_addr()?.to_string(),
    };
    let mut engine = tokio::select! {
        started = Engine::start(parts(&state, profile, config.retention, guests)) => started?,
        () = signals.first() => return Ok(()),
    };
    let announcement = announcement.map_or_else(|| Announcement::write(&config.data_dir, &listener), Ok)?;
    let herald =
        Herald { store: Arc::clone(&state.store), clock: Arc::new(SystemClock), wakeups: state.wakeups.clone() };
    // Dropped with the runtime: nothing is lost with a hint.
    tokio::spawn(herald.run());
    let stop_api = state.stop.clone();
    let api = start_api(listener, state);

    let asked_to_drain = engine.asked_to_drain();
    let reason = tokio::select! {
        () = signals.first() => Reason::Signal,
        () = asked_to_drain => Reason::Drain,
        reason = engine.broken() => Reason::Broken(reason),
    };
    tokio::spawn(async move { signals.second_after(reason).await });
    engine.stop(config.stop_grace).await?;
    stop_api.cancel();
    // A client that does not finish its request must not keep the host.
    tokio::select! {
        served = api => served??,
        () = SystemClock.sleep_for(API_GRACE) => {}
    }
    drop(announcement);
    info!("Stopped");
    match reason {
        Reason::Broken(reason) => bail!("{reason}; start it again, it goes on where it was"),
        Reason::Signal | Reason::Drain => Ok(()),
    }
}

/// What runs plugins, with the code that earlier starts have compiled.
fn sandbox(config: &Config) -> anyhow::Result<Sandbox> {
    let mut sandbox = Sandbox::new(Compiler::of_this_binary(config.compile))?;
    if let Some(bytes) = config.calls_memory_bytes_max {
        sandbox = sandbox.with_memory(bytes);
    }
    if let Some(bytes) = config.code_memory_bytes_max {
        sandbox = sandbox.with_code_memory(bytes);
    }
    Ok(sandbox.with_cache(CodeCache::open(&config.data_dir)?))
}

/// What a host needs to begin.
struct Opened {
    store: Arc<dyn Store>,
    listener: TcpListener,
    /// There already where the host had to wait for its database.
    announcement: Option<Announcement>,
}

/// Opens the database and listens. A database that is away is waited for, while whoever asks is told; none where a signal
/// ended that.
async fn open_and_listen(config: &Config, signals: &mut Signals) -> anyhow::Result<Option<Opened>> {
    let cannot = || format!("the database {} (DATABASE_URL) cannot be used", config.database);
    let objects = objects(&config.plugin_store).context("the plugin store (LATCHWORK_PLUGIN_STORE) cannot be used")?;
    // First of all: where another host uses the same files, they are that one's.
    let reason = match open(&config.database, objects.clone()).await {
        Ok(store) => {
            let listener = listen(config).await?;
            return Ok(Some(Opened { store, listener, announcement: None }));
        }
        Err(StoreError::Away(reason)) => reason,
        Err(error) => return Err(error).with_context(cannot),
    };
    let listener = listen(config).await?.into_std()?;
    let (since, done) = (SystemClock.now(), CancellationToken::new());
    let give_up_at = since + config.database_wait;
    warn!("Waiting up to {:?} for the database {} (DATABASE_URL): {reason}", config.database_wait, config.database);
    let (reason, told) = watch::channel(reason);
    let meanwhile = TcpListener::from_std(listener.try_clone()?)?;
    let announcement = Announcement::write(&config.data_dir, &meanwhile)?;
    let serving = axum::serve(meanwhile, api::waiting_router(since, told));
    tokio::spawn(serving.with_graceful_shutdown(done.clone().cancelled_owned()).into_future());
    let _done = done.drop_guard();
    loop {
        tokio::select! {
            biased;
            () = signals.first() => return Ok(None),
            () = SystemClock.sleep_for(OPEN_AGAIN_AFTER) => {}
        }
        match open(&config.database, objects.clone()).await {
            Ok(store) => {
                info!("The database is there after {:.1} s", SystemClock.now().since(since).as_secs_f64());
                let listener = TcpListener::from_std(listener)?;
                return Ok(Some(Opened { store, listener, announcement: Some(announcement) }));
            }
            Err(StoreError::Away(still)) if SystemClock.now() < give_up_at => {
                reason.send_replace(still);
            }
            Err(error) => return Err(error).with_context(cannot),
        }
    }
}

async fn listen(config: &Config) -> anyhow::Result<TcpListener> {
    Announcement::withdraw(&config.data_dir);
    TcpListener::bind(config.listen).await.with_context(|| {
        format!("LATCHWORK_LISTEN: cannot listen on {}; name a free address with --listen", config.listen)
    })
}

fn parts(state: &AppState, profile: HostProfile, retention: Retention, guests: tokio::runtime::Handle) -> EngineParts {
    EngineParts {
        store: Arc::clone(&state.store),
        plugins: plugins(state),
        clock: Arc::clone(&state.clock) as Arc<dyn Clock>,
        status: Arc::clone(&state.status),
        profile,
        wakeups: state.wakeups.clone(),
        allowed: state.allowed.clone(),
        vault: Arc::clone(&state.vault),
        ceilings: state.ceilings,
        recovery: state.recovery,
        retention,
        guests,
    }
}

#[cfg(not(debug_assertions))]
fn clock() -> CorrectedClock {
    CorrectedClock::default()
}

#[cfg(debug_assertions)]
fn clock() -> CorrectedClock {
    CorrectedClock::on_a_machine_ahead_by(crate::config::clock_ahead_ms())
}

#[cfg(not(debug_assertions))]
fn plugins(state: &AppState) -> Arc<dyn PluginSource> {
    Arc::clone(&state.sandbox) as Arc<dyn PluginSource>
}

#[cfg(debug_assertions)]
fn plugins(state: &AppState) -> Arc<dyn PluginSource> {
    let plugins = Arc::clone(&state.sandbox) as Arc<dyn PluginSource>;
    crate::test_fault::with_deadly_tasks(plugins, crate::config::deadly_tasks())
}

fn start_api(listener: TcpListener, state: AppState) -> JoinHandle<std::io::Result<()>> {
    let stopped = state.stop.clone().cancelled_owned();
    let serving = axum::serve(listener, api::router(state)).with_graceful_shutdown(stopped);
    tokio::spawn(async move { serving.await })
}

/// The host's identity across restarts, made at the first start.
fn kept_host_id(data_dir: &Path) -> anyhow::Result<String> {
    let path = data_dir.join("host-id");
    if let Ok(kept) = std::fs::read_to_string(&path) {
        return Ok(kept.trim().to_owned());
    }
    let id = format!("host-{}", IncarnationId::generate());
    std::fs::write(&path, &id).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(id)
}

/// The file `listen` in the data directory: the address that the API listens on, there while the host serves.
struct Announcement(PathBuf);

impl Announcement {
    /// Removes what a host that was killed has left.
    fn withdraw(data_dir: &Path) {
        // A file that is gone already is as good.
        let _ = std::fs::remove_file(data_dir.join("listen"));
    }

    fn write(data_dir: &Path, listener: &TcpListener) -> anyhow::Result<Self> {
        let address = listener.local_addr()?;
        let path = data_dir.join("listen");
        // Renamed into place, so that whoever waits for the file reads the whole address.
        let draft = data_dir.join("listen.new");
        std::fs::write(&draft, address.to_string()).with_context(|| format!("cannot write {}", draft.display()))?;
        std::fs::rename(&draft, &path).with_context(|| format!("cannot write {}", path.display()))?;
        if !address.ip().is_loopback() {
            warn!(
                "{address} (LATCHWORK_LISTEN) can be reached by others, and nothing is authenticated: the API serves all"
            );
        }
        info!("Listening on http://{address}");
        Ok(Self(path))
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        // A file that is gone already is as good.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Returns at the first signal.
    async fn first(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Ends the process at the second: whoever asks twice does not want to wait. What is lost is what a crash loses.
    async fn second_after(&mut self, reason: Reason) {
        if matches!(reason, Reason::Drain) {
            // Whoever has a host leave and then ends its process asks once.
            self.first().await;
        }
        self.first().await;
        info!("Stopped at once by a second signal");
        std::process::exit(130);
    }
}
