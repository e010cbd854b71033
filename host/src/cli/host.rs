use std::collections::BTreeMap;
use std::process::ExitCode;

use serde::Deserialize;

use super::client::Client;
use super::output::Output;
use super::table;

/// The commands about hosts.
#[derive(Debug, clap::Subcommand)]
pub enum HostCommand {
    /// List the hosts that live or ended within the hour, with what they hold
    List,

    /// Have a host finish its running tasks and leave
    Drain {
        /// The host's id
        host: String,
    },
}

#[derive(Deserialize)]
struct Hosts {
    hosts: Vec<Host>,
}

#[derive(Deserialize)]
struct Host {
    host_id: String,
    incarnation_id: String,
    state: String,
    version: String,
    roles: Vec<String>,
    labels: BTreeMap<String, String>,
    address: String,
    held_segments: u64,
    running_tasks: u64,
    started_at: String,
    expires_at: String,
}

pub(super) fn run(command: HostCommand, client: &Client, output: Output) -> anyhow::Result<ExitCode> {
    match command {
        HostCommand::List => output.show(&client.get(&["hosts"], &[])?, listed)?,
        HostCommand::Drain { host } => output.show(&client.command(&["hosts", &host, "drain"])?, shown)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn listed(answer: Hosts) -> String {
    let rows = answer.hosts.into_iter().map(|host| {
        let (labels, started) = (labels(&host.labels), table::instant(&host.started_at));
        let (segments, running) = (host.held_segments.to_string(), host.running_tasks.to_string());
        let roles = host.roles.join(",");
        [host.host_id, host.state, roles, labels, segments, running, host.address, started, host.version]
    });
    table::columns(
        ["HOST", "STATE", "ROLES", "LABELS", "SEGMENTS", "RUNNING", "LISTENS ON", "STARTED", "VERSION"],
        rows,
    )
}

fn shown(host: Host) -> String {
    let labels = labels(&host.labels);
    table::fields([
        ("host", Some(host.host_id)),
        ("incarnation", Some(host.incarnation_id)),
        ("state", Some(host.state)),
        ("version", Some(host.version)),
        ("roles", Some(host.roles.join(","))),
        ("labels", Some(labels).filter(|labels| !labels.is_empty())),
        ("listens on", Some(host.address)),
        ("segments", Some(host.held_segments.to_string())),
        ("running", Some(host.running_tasks.to_string())),
        ("started", Some(table::instant(&host.started_at))),
        ("lease until", Some(table::instant(&host.expires_at))),
    ])
}

/// As `--labels` and `--requires` take them.
pub(super) fn labels(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
}
