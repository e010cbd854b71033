//! The client commands of the binary `latchwork`: each asks a host over its HTTP API and shows the answer to a person
//! or, with `--json`, to a script.
//!
//! Knows the API's JSON; must never know the engine, the store or the sandbox.

mod backfill;
mod bounds;
mod client;
mod create;
mod grants;
mod host;
mod interval;
mod job;
mod output;
mod pages;
mod plugin;
mod policies;
mod rules;
mod schedule;
mod secret;
mod table;
mod watch;

use std::process::ExitCode;

use client::Client;
use output::{Output, OutputClosed};
pub use secret::SecretCommand;

/// Names the host that the client commands talk to, and the way they print what it answers.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Client options")]
pub struct Connection {
    /// The host to talk to
    #[arg(long, global = true, env = "LATCHWORK_SERVER", value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub server: String,

    /// Print the API's JSON as it is, for scripts
    #[arg(long, global = true)]
    pub json: bool,
}

impl Connection {
    /// Prints what a command did that talks to no host, in the way that all commands print.
    pub fn report<const N: usize>(
        &self,
        json: &serde_json::Value,
        header: [&str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) -> anyhow::Result<()> {
        let printed = output::print(&if self.json { json.to_string() } else { table::columns(header, rows) });
        match printed {
            Err(error) if error.is::<OutputClosed>() => Ok(()),
            printed => printed,
        }
    }
}

/// The commands that talk to a host.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Upload plugins and list them
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),

    /// Create, list, show, change, pause, trigger, backfill and delete jobs
    #[command(subcommand)]
    Job(job::JobCommand),

    /// List, show, watch, cancel and retry the intervals of a job
    #[command(subcommand)]
    Interval(interval::IntervalCommand),

    /// List, show and cancel backfills
    #[command(subcommand)]
    Backfill(backfill::BackfillCommand),

    /// List hosts, and have one leave
    #[command(subcommand)]
    Host(host::HostCommand),

    /// Try schedules out
    #[command(subcommand)]
    Schedule(schedule::ScheduleCommand),
}

/// Runs one client command to its end.
///
/// The exit code is 1 where a watched interval did not succeed; every other failure is an error, in one line.
pub fn run(command: Command, connection: &Connection) -> anyhow::Result<ExitCode> {
    connected(connection, |client, output| match command {
        Command::Plugin(command) => plugin::run(command, client, output),
        Command::Job(command) => job::run(command, client, output),
        Command::Interval(command) => interval::run(command, client, output),
        Command::Backfill(command) => backfill::run(command, client, output),
        Command::Host(command) => host::run(command, client, output),
        Command::Schedule(command) => schedule::run(command, client, output),
    })
}

/// The same for those of its group that talk to a host.
pub fn run_secret(command: SecretCommand, connection: &Connection) -> anyhow::Result<ExitCode> {
    connected(connection, |client, output| secret::run(command, client, output))
}

fn connected(
    connection: &Connection,
    run: impl FnOnce(&Client, Output) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    let output = if connection.json { Output::Json } else { Output::Text };
    match run(&Client::new(&connection.server), output) {
        Err(error) if error.is::<OutputClosed>() => Ok(ExitCode::SUCCESS),
        ended => ended,
    }
}
