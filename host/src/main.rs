//! The binary `latchwork`: the host, its migrations, and the commands that talk to a host.

use clap::{Args, Parser, Subcommand};
use latchwork::config::{self, Config, Settings};
use latchwork::sandbox::{self, ProcessLimits};
use latchwork::{app, cli};
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
    let guests = tokio::runtime::Builder::new_multi_thread().thread_name("guests").enable_all().build()?;
    let host = tokio::runtime::Builder::new_multi_thread().thread_name("host").enable_all().build()?;
    let ended = host.block_on(app::serve(config, guests.handle().clone()));
    guests.shutdown_background();
    ended.map(|()| ExitCode::SUCCESS)
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
            app::open(&config.database).await?;
            Ok("the schema is up to date".to_owned())
        }
    })?;
    writeln!(std::io::stdout(), "{}: {message}", config.database)?;
    Ok(ExitCode::SUCCESS)
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
