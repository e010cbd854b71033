//! The binary `latchwork`: the host, its migrations, and the commands that talk to a host.

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand, ValueEnum};
use latchwork::app::{self, Rotation};
use latchwork::cli;
use latchwork::config::{self, Config, Settings};
use latchwork::database_setting::{self, Database};
use latchwork::sandbox::{self, ProcessLimits};
use latchwork::store::{MovedTable, Nul};
use serde_json::{Value, json};
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

/// A host for WebAssembly plugins that runs durable interval jobs.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    connection: cli::Connection,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the host
    Serve(HostArgs),

    /// Bring the database's schema to this version, or one version back
    Migrate(MigrateArgs),

    /// Move an installation to another database
    #[command(subcommand)]
    Db(DbCommand),

    /// Keep secrets for jobs, list and delete them, and change the key that they are encrypted under
    #[command(subcommand)]
    Secret(SecretCommand),

    /// Compile a component from stdin to stdout; the host starts this for itself, to be safe from what is uploaded
    #[command(hide = true)]
    Compile(CompileArgs),

    #[command(flatten)]
    Client(cli::Command),
}

#[derive(Args)]
struct HostArgs {
    /// A TOML file with settings; flags and variables go before it
    #[arg(long, env = "LATCHWORK_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    settings: Settings,
}

#[derive(Args)]
struct MigrateArgs {
    /// Undo the migration that was applied last
    #[arg(long)]
    revert: bool,

    #[command(flatten)]
    host: HostArgs,
}

#[derive(Subcommand)]
enum DbCommand {
    /// Copy everything from one database to another that is empty, while no host runs on either; the source stays
    Copy(CopyArgs),
}

#[derive(Subcommand)]
enum SecretCommand {
    #[command(flatten)]
    Client(cli::SecretCommand),

    /// Encrypt all secrets anew, under the key in --secrets-key-file; those under the key in --secrets-previous-key-file
    /// are read with that. Works on the database, as `serve` finds it; with SQLite while no host runs
    Rotate(Box<HostArgs>),
}

#[derive(Args)]
struct CopyArgs {
    /// What is copied: sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(long, value_name = "URL")]
    from: String,

    /// Where it is copied to, in the same words
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    to: String,

    /// What becomes of a NUL character in a text, which PostgreSQL does not keep
    #[arg(long, value_enum, default_value_t = NulArg::Refuse)]
    nul: NulArg,
}

#[derive(Clone, Copy, ValueEnum)]
enum NulArg {
    /// Nothing is copied, and the row is named
    Refuse,
    /// `␀` takes its place, as in what a host on PostgreSQL writes
    Show,
}

#[derive(Args)]
struct CompileArgs {
    #[arg(long)]
    memory_bytes_max: u64,

    #[arg(long)]
    cpu_seconds_max: u64,
}

fn main() -> ExitCode {
    let Cli { connection, command } = Cli::parse();
    let ended = match command {
        Command::Serve(args) => serve(args),
        Command::Migrate(args) => migrate(args),
        Command::Db(DbCommand::Copy(args)) => copy(&args, &connection),
        Command::Secret(SecretCommand::Client(command)) => cli::run_secret(command, &connection),
        Command::Secret(SecretCommand::Rotate(args)) => rotate(*args, &connection),
        Command::Compile(args) => compile(&args),
        Command::Client(command) => cli::run(command, &connection),
    };
    ended.unwrap_or_else(|error| {
        // Where stderr is closed, nobody is left to tell.
        let _ = writeln!(std::io::stderr(), "error: {error:#}");
        ExitCode::FAILURE
    })
}

fn serve(args: HostArgs) -> anyhow::Result<ExitCode> {
    let config = config(args)?;
    start_log()?;
    app::warn_of_root();
    let guests = guests()?;
    let host = tokio::runtime::Builder::new_multi_thread().thread_name("host").enable_all().build()?;
    let ended = host.block_on(app::serve(config, guests.handle().clone()));
    guests.shutdown_background();
    ended.map(|()| ExitCode::SUCCESS)
}

/// After how many polls a thread looks at timers and sockets. A guest that computes takes 10 ms a poll, and timeouts are
/// to be kept beside it.
const POLLS_BETWEEN_EVENTS: u32 = 8;

/// The threads on which guests run.
fn guests() -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.thread_name("guests").enable_all().event_interval(POLLS_BETWEEN_EVENTS).build()
}

fn migrate(args: MigrateArgs) -> anyhow::Result<ExitCode> {
    let config = config(args.host)?;
    std::fs::create_dir_all(&config.data_dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let message = runtime.block_on(async {
        if args.revert {
            let reverted = app::revert(&config.database).await?;
            Ok::<_, anyhow::Error>(reverted.map_or("nothing to revert".to_owned(), |name| format!("reverted `{name}`")))
        } else {
            app::open(&config.database, None).await?;
            Ok("the schema is up to date".to_owned())
        }
    })?;
    writeln!(std::io::stdout(), "{}: {message}", config.database)?;
    Ok(ExitCode::SUCCESS)
}

fn copy(args: &CopyArgs, connection: &cli::Connection) -> anyhow::Result<ExitCode> {
    let (from, to) = (database("--from", &args.from)?, database("--to (DATABASE_URL)", &args.to)?);
    let nul = match args.nul {
        NulArg::Refuse => Nul::Refused,
        NulArg::Show => Nul::Shown,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let moved = runtime.block_on(app::copy(&from, &to, nul));
    let moved = moved.with_context(|| format!("nothing was copied from {from} to {to}"))?;
    let report = json!({ "tables": moved.iter().map(json_of).collect::<Vec<_>>() });
    connection.report(&report, ["TABLE", "ROWS", "BYTES", "CONTENT", "NULS REPLACED"], moved.iter().map(cells))?;
    Ok(ExitCode::SUCCESS)
}

fn rotate(args: HostArgs, connection: &cli::Connection) -> anyhow::Result<ExitCode> {
    let config = config(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let Rotation { key, changed, unchanged } = runtime.block_on(app::rotate_secrets(&config))?;
    let report = json!({ "key": key.as_str(), "changed": changed, "unchanged": unchanged });
    let row = [key.to_string(), changed.to_string(), unchanged.to_string()];
    connection.report(&report, ["KEY", "CHANGED", "UNCHANGED"], [row])?;
    Ok(ExitCode::SUCCESS)
}

fn cells(table: &MovedTable) -> [String; 5] {
    let MovedTable { name, rows, bytes, content, replaced_nuls } = table;
    [name.clone(), rows.to_string(), bytes.to_string(), format!("{content:032x}"), replaced_nuls.to_string()]
}

fn json_of(table: &MovedTable) -> Value {
    let MovedTable { name, rows, bytes, content, replaced_nuls } = table;
    let content = format!("{content:032x}");
    json!({ "name": name, "rows": rows, "bytes": bytes, "content": content, "replaced_nuls": replaced_nuls })
}

/// A database that a flag names. What it was is not shown: it may hold a password.
fn database(flag: &str, url: &str) -> anyhow::Result<Database> {
    Database::parse(url, 1).with_context(|| format!("{flag} takes {}", database_setting::TAKES))
}

fn compile(args: &CompileArgs) -> anyhow::Result<ExitCode> {
    let CompileArgs { memory_bytes_max, cpu_seconds_max } = *args;
    sandbox::compile_alone(ProcessLimits { memory_bytes_max, cpu_seconds_max })?;
    Ok(ExitCode::SUCCESS)
}

fn config(args: HostArgs) -> anyhow::Result<Config> {
    let file = args.config.map_or_else(|| Ok(Settings::default()), |path| Settings::from_file(&path))?;
    Ok(args.settings.or(file).resolve()?)
}

/// Logs go to stderr; `RUST_LOG` chooses what is logged.
fn start_log() -> anyhow::Result<()> {
    let filter = config::log_filter()?;
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(is_terminal).init();
    Ok(())
}
