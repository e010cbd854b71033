//! The host's settings: flags, then environment, then an optional TOML file, then defaults.

mod ceilings;
mod error;
mod reach;
mod readers;
mod secrets;
#[cfg(test)]
mod tests;

use crate::database_setting::{self, Database};
use crate::domain::ceilings::Ceilings;
use crate::domain::host::Roles;
use crate::domain::labels::Labels;
use crate::domain::rules::Retention;
use crate::plugin_store_setting::PluginStore;
use crate::recovery_settings::RecoverySettings;
use crate::sandbox::{Allowed, CompileLimits};
use crate::vault::Vault;
use ceilings::CeilingSettings;
pub use error::ConfigError;
use reach::ReachSettings;
use readers::*;
use secrets::SecretSettings;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// The most connections to PostgreSQL, where nothing else is said: PostgreSQL itself serves 100 unless told otherwise.
const CONNECTIONS_MAX: u32 = 10;

/// Every setting of `latchwork serve`, as flag, as variable and as key of the TOML file (the flag's name with `_`).
#[derive(Debug, Default, Clone, clap::Args)]
#[command(next_help_heading = "Host options")]
pub struct Settings {
    /// Where the API listens [default: 127.0.0.1:8080]
    #[arg(long, env = "LATCHWORK_LISTEN", value_name = "ADDRESS:PORT", value_parser = listen)]
    pub listen: Option<SocketAddr>,

    /// Where the host keeps its files [default: ./latchwork-data]
    #[arg(long, env = "LATCHWORK_DATA_DIR", value_name = "DIR", value_parser = data_dir)]
    pub data_dir: Option<PathBuf>,

    /// Who this host is across restarts [default: kept in the data directory]
    #[arg(long, env = "LATCHWORK_HOST_ID", value_name = "ID", value_parser = host_id)]
    pub host_id: Option<String>,

    /// What this host takes on: api, scheduler, worker, separated by commas [default: all of them]
    #[arg(long, env = "LATCHWORK_ROLES", value_name = "ROLES", value_parser = roles)]
    pub roles: Option<Roles>,

    /// What this host offers to jobs that require it, such as gpu=yes,zone=a [default: none]
    #[arg(long, env = "LATCHWORK_LABELS", value_name = "NAME=VALUE,...", value_parser = labels)]
    pub labels: Option<Labels>,

    /// The database: sqlite:PATH for one host, postgres://USER:PASSWORD@HOST/DATABASE for any number [default:
    /// latchwork.db in the data directory]
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// How many connections to PostgreSQL this host opens at most [default: 10]
    #[arg(
        long, env = "LATCHWORK_DATABASE_CONNECTIONS_MAX", value_name = "COUNT", value_parser = database_connections_max
    )]
    pub database_connections_max: Option<u32>,

    /// How long a start waits for a PostgreSQL that is away [default: 1m]
    #[arg(long, env = "LATCHWORK_DATABASE_WAIT", value_name = "DURATION", value_parser = database_wait)]
    pub database_wait: Option<Duration>,

    /// Where uploaded plugins are kept: database, file:///DIRECTORY or s3://BUCKET/PREFIX, which all hosts must reach;
    /// s3 with the usual AWS_… variables [default: database]
    #[arg(long, env = "LATCHWORK_PLUGIN_STORE", value_name = "PLACE", value_parser = plugin_store)]
    pub plugin_store: Option<PluginStore>,

    /// What jobs may be granted.
    #[command(flatten)]
    pub reach: ReachSettings,

    /// The largest plugin that can be uploaded, in bytes [default: 67108864]
    #[arg(long, env = "LATCHWORK_UPLOAD_BYTES_MAX", value_name = "BYTES", value_parser = upload_bytes_max)]
    pub upload_bytes_max: Option<usize>,

    /// How much memory compiling a plugin may take, in bytes [default: 2147483648]
    #[arg(
        long, env = "LATCHWORK_COMPILE_MEMORY_BYTES_MAX", value_name = "BYTES",
        value_parser = compile_memory_bytes_max
    )]
    pub compile_memory_bytes_max: Option<u64>,

    /// How much CPU time compiling a plugin may take [default: 1m]
    #[arg(long, env = "LATCHWORK_COMPILE_CPU_MAX", value_name = "DURATION", value_parser = compile_cpu_max)]
    pub compile_cpu_max: Option<Duration>,

    /// How long compiling a plugin may take [default: 2m]
    #[arg(long, env = "LATCHWORK_COMPILE_TIMEOUT", value_name = "DURATION", value_parser = compile_timeout)]
    pub compile_timeout: Option<Duration>,

    /// What no job goes beyond.
    #[command(flatten)]
    pub ceilings: CeilingSettings,

    /// The keys of secrets.
    #[command(flatten)]
    pub secrets: SecretSettings,

    /// How long running tasks may go on after SIGTERM or SIGINT [default: 30s]
    #[arg(long, env = "LATCHWORK_STOP_GRACE", value_name = "DURATION", value_parser = stop_grace)]
    pub stop_grace: Option<Duration>,

    /// Resume interrupted intervals [default: true]
    #[arg(long, env = "ENABLE_RECOVERY", value_name = "BOOL", value_parser = enable_recovery)]
    pub enable_recovery: Option<bool>,

    /// Whether jobs that do not say are resumed [default: true]
    #[arg(long, env = "DEFAULT_RECOVERY_ENABLED", value_name = "BOOL", value_parser = default_recovery_enabled)]
    pub default_recovery_enabled: Option<bool>,

    /// Seconds between two looks for interrupted intervals [default: 5]
    #[arg(long, env = "RECOVERY_CHECK_INTERVAL", value_name = "SECONDS", value_parser = recovery_check_interval)]
    pub recovery_check_interval: Option<u32>,

    /// In how many crashes a task may be in flight before it is failed as poison, and how many recoveries in a row may
    /// settle no task before the interval starts over [default: 3]
    #[arg(long, env = "MAX_RECOVERY_ATTEMPTS", value_name = "COUNT", value_parser = max_recovery_attempts)]
    pub max_recovery_attempts: Option<u32>,

    /// The latest so many ended intervals are kept of each job that does not say, and as many records of firings that
    /// did not run; 0 keeps any number [default: 10000]
    #[arg(
        long, env = "LATCHWORK_DEFAULT_RETENTION_INTERVALS", value_name = "COUNT",
        value_parser = default_retention_intervals
    )]
    pub default_retention_intervals: Option<u32>,

    /// For so many days after their end intervals are kept of jobs that do not say; 0 keeps them for ever [default: 90]
    #[arg(
        long, env = "LATCHWORK_DEFAULT_RETENTION_DAYS", value_name = "DAYS", value_parser = default_retention_days
    )]
    pub default_retention_days: Option<u32>,
}

/// The settings in force.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Where the host keeps its files.
    pub data_dir: PathBuf,
    /// Who this host is, where that is set.
    pub host_id: Option<String>,
    /// What it takes on.
    pub roles: Roles,
    /// What it offers to jobs.
    pub labels: Labels,
    /// The database.
    pub database: Database,
    /// How long a start waits for a database that is away.
    pub database_wait: Duration,
    /// Where uploaded plugins are kept.
    pub plugin_store: PluginStore,
    /// What jobs may be granted.
    pub allowed: Allowed,
    /// The largest upload.
    pub upload_bytes_max: usize,
    /// How far compiling an upload may go.
    pub compile: CompileLimits,
    /// How far jobs may go.
    pub ceilings: Ceilings,
    /// How much memory all calls together may have, in bytes; none for half of the machine's.
    pub calls_memory_bytes_max: Option<u64>,
    /// How much memory compiled plugins may take that nobody uses; none for the sandbox's own default.
    pub code_memory_bytes_max: Option<u64>,
    /// What opens secrets.
    pub vault: Arc<Vault>,
    /// How long running tasks may go on when the host stops.
    pub stop_grace: Duration,
    /// How interrupted intervals are treated.
    pub recovery: RecoverySettings,
    /// How long ended intervals are kept of jobs that do not say.
    pub retention: Retention,
}

impl Settings {
    /// Reads a TOML file.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let error = |reason: String| ConfigError::File { path: path.display().to_string(), reason };
        let text = std::fs::read_to_string(path).map_err(|cause| error(cause.to_string()))?;
        let file = toml::from_str(&text).map_err(|cause| error(cause.to_string()))?;
        Self::from_toml(file).map_err(|reason| ConfigError::Key { path: path.display().to_string(), reason })
    }

    fn from_toml(mut file: toml::Table) -> Result<Self, String> {
        let settings = Self {
            listen: take(&mut file, "listen", quoted, listen)?,
            data_dir: take(&mut file, "data_dir", quoted, data_dir)?,
            host_id: take(&mut file, "host_id", quoted, host_id)?,
            roles: take(&mut file, "roles", quoted, roles)?,
            labels: take(&mut file, "labels", quoted, labels)?,
            database_url: take(&mut file, "database_url", quoted, database_url)?,
            database_connections_max: take(&mut file, "database_connections_max", bare, database_connections_max)?,
            database_wait: take(&mut file, "database_wait", quoted, database_wait)?,
            plugin_store: take(&mut file, "plugin_store", quoted, plugin_store)?,
            reach: ReachSettings::from_toml(&mut file)?,
            upload_bytes_max: take(&mut file, "upload_bytes_max", bare, upload_bytes_max)?,
            compile_memory_bytes_max: take(&mut file, "compile_memory_bytes_max", bare, compile_memory_bytes_max)?,
            compile_cpu_max: take(&mut file, "compile_cpu_max", quoted, compile_cpu_max)?,
            compile_timeout: take(&mut file, "compile_timeout", quoted, compile_timeout)?,
            ceilings: CeilingSettings::from_toml(&mut file)?,
            secrets: SecretSettings::from_toml(&mut file)?,
            stop_grace: take(&mut file, "stop_grace", quoted, stop_grace)?,
            enable_recovery: take(&mut file, "enable_recovery", bare, enable_recovery)?,
            default_recovery_enabled: take(&mut file, "default_recovery_enabled", bare, default_recovery_enabled)?,
            recovery_check_interval: take(&mut file, "recovery_check_interval", bare, recovery_check_interval)?,
            max_recovery_attempts: take(&mut file, "max_recovery_attempts", bare, max_recovery_attempts)?,
            default_retention_intervals: take(
                &mut file,
                "default_retention_intervals",
                bare,
                default_retention_intervals,
            )?,
            default_retention_days: take(&mut file, "default_retention_days", bare, default_retention_days)?,
        };
        file.keys().next().map_or(Ok(settings), |key| Err(format!("`{key}` is no setting")))
    }

    /// These settings, and where they are silent those of `file`.
    #[must_use]
    pub fn or(self, file: Self) -> Self {
        Self {
            listen: self.listen.or(file.listen),
            data_dir: self.data_dir.or(file.data_dir),
            host_id: self.host_id.or(file.host_id),
            roles: self.roles.or(file.roles),
            labels: self.labels.or(file.labels),
            database_url: self.database_url.or(file.database_url),
            database_connections_max: self.database_connections_max.or(file.database_connections_max),
            database_wait: self.database_wait.or(file.database_wait),
            plugin_store: self.plugin_store.or(file.plugin_store),
            reach: self.reach.or(file.reach),
            upload_bytes_max: self.upload_bytes_max.or(file.upload_bytes_max),
            compile_memory_bytes_max: self.compile_memory_bytes_max.or(file.compile_memory_bytes_max),
            compile_cpu_max: self.compile_cpu_max.or(file.compile_cpu_max),
            compile_timeout: self.compile_timeout.or(file.compile_timeout),
            ceilings: self.ceilings.or(file.ceilings),
            secrets: self.secrets.or(file.secrets),
            stop_grace: self.stop_grace.or(file.stop_grace),
            enable_recovery: self.enable_recovery.or(file.enable_recovery),
            default_recovery_enabled: self.default_recovery_enabled.or(file.default_recovery_enabled),
            recovery_check_interval: self.recovery_check_interval.or(file.recovery_check_interval),
            max_recovery_attempts: self.max_recovery_attempts.or(file.max_recovery_attempts),
            default_retention_intervals: self.default_retention_intervals.or(file.default_retention_intervals),
            default_retention_days: self.default_retention_days.or(file.default_retention_days),
        }
    }

    /// Fills in the defaults.
    pub fn resolve(self) -> Result<Config, ConfigError> {
        let data_dir = self.data_dir.unwrap_or_else(|| "latchwork-data".into());
        let database = database(self.database_url.as_deref(), self.database_connections_max, &data_dir)?;
        let roles = self.roles.unwrap_or_default();
        if matches!(database, Database::Sqlite(_)) && !roles.are_all() {
            return Err(ConfigError::LoneHost(roles));
        }
        Ok(Config {
            listen: self.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
            host_id: self.host_id,
            roles,
            labels: self.labels.unwrap_or_default(),
            database,
            database_wait: self.database_wait.unwrap_or(Duration::from_mins(1)),
            data_dir,
            plugin_store: self.plugin_store.unwrap_or_default(),
            allowed: self.reach.resolve(),
            upload_bytes_max: self.upload_bytes_max.unwrap_or(64 << 20),
            compile: CompileLimits {
                memory_bytes_max: self.compile_memory_bytes_max.unwrap_or(2 << 30),
                cpu_max: self.compile_cpu_max.unwrap_or(Duration::from_mins(1)),
                timeout: self.compile_timeout.unwrap_or(Duration::from_mins(2)),
            },
            calls_memory_bytes_max: self.ceilings.calls_memory_bytes_max,
            code_memory_bytes_max: self.ceilings.code_memory_bytes_max,
            ceilings: self.ceilings.resolve(),
            vault: Arc::new(self.secrets.resolve()?),
            stop_grace: self.stop_grace.unwrap_or(Duration::from_secs(30)),
            recovery: RecoverySettings {
                is_enabled: self.enable_recovery.unwrap_or(true),
                is_default: self.default_recovery_enabled.unwrap_or(true),
                check_every: Duration::from_secs(self.recovery_check_interval.unwrap_or(5).into()),
                attempts_max: self.max_recovery_attempts.unwrap_or(3),
            },
            retention: Retention {
                intervals: Some(self.default_retention_intervals.unwrap_or(10_000)).filter(|count| *count > 0),
                days: Some(self.default_retention_days.unwrap_or(90)).filter(|days| *days > 0),
            },
        })
    }
}

/// What is logged: `RUST_LOG`, or what the host says of itself.
pub fn log_filter() -> Result<EnvFilter, ConfigError> {
    let Some(text) = std::env::var_os("RUST_LOG").filter(|text| !text.is_empty()) else {
        // The store tells itself what the pool would tell of every connection, and a task's log what its requests met.
        return Ok(EnvFilter::new("info,sqlx_core::pool=off,sqlx::postgres::notice=warn,wasmtime_wasi_http=error"));
    };
    text.to_str().and_then(|text| EnvFilter::try_new(text).ok()).ok_or_else(|| ConfigError::Value {
        name: "RUST_LOG",
        value: text.display().to_string(),
        expected: "a level such as info, or targets with levels such as latchwork=debug,hyper=warn",
    })
}

/// The tasks that take the process down, for tests of what follows; none in a host that serves anybody.
#[cfg(debug_assertions)]
pub fn deadly_tasks() -> Vec<u32> {
    let text = std::env::var("LATCHWORK_TEST_DEADLY_TASKS").unwrap_or_default();
    text.split(',').filter_map(|index| index.parse().ok()).collect()
}

/// By how many milliseconds the machine's clock is ahead, for tests of what follows.
#[cfg(debug_assertions)]
pub fn clock_ahead_ms() -> i64 {
    std::env::var("LATCHWORK_TEST_CLOCK_AHEAD_MS").ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn database(url: Option<&str>, connections_max: Option<u32>, data_dir: &Path) -> Result<Database, ConfigError> {
    let Some(url) = url else { return Ok(Database::within(data_dir)) };
    Database::parse(url, connections_max.unwrap_or(CONNECTIONS_MAX)).ok_or_else(|| ConfigError::Value {
        name: "DATABASE_URL",
        // A URL of another database may hold a password.
        value: url.split_once(':').map_or(url, |(scheme, _)| scheme).to_owned() + ":…",
        expected: database_setting::TAKES,
    })
}
