use std::io::{self, IsTerminal as _, Read as _};
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::json;
use ureq::http::StatusCode;

use super::client::Client;
use super::output::Output;
use super::table;
use crate::domain::job::DEFAULT_WORKSPACE;

/// The commands about secrets.
#[derive(Debug, clap::Subcommand)]
pub enum SecretCommand {
    /// Keep a secret, or another value of it; the value is read from stdin, and one line end behind it is left out
    Set {
        /// Its name: letters, digits and `_`, no digit first
        name: String,

        /// Where it belongs
        #[command(flatten)]
        place: Place,
    },

    /// List the names of secrets; nothing shows their values
    List {
        /// Where they belong
        #[command(flatten)]
        place: Place,
    },

    /// Delete a secret that no job is granted
    Delete {
        /// Its name
        name: String,

        /// Where it belongs
        #[command(flatten)]
        place: Place,
    },
}

/// Where a secret belongs.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// The workspace whose jobs may use it
    #[arg(long, alias = "workspace-id", value_name = "WORKSPACE", default_value = DEFAULT_WORKSPACE)]
    workspace: String,
}

#[derive(Deserialize)]
struct Secret {
    name: String,
    created_at: String,
    updated_at: String,
}

#[derive(Deserialize)]
struct Secrets {
    secrets: Vec<Secret>,
}

pub(super) fn run(command: SecretCommand, client: &Client, output: Output) -> anyhow::Result<ExitCode> {
    match command {
        SecretCommand::Set { name, place } => set(&name, &place.workspace, client, output)?,
        SecretCommand::List { place } => {
            output.show(&client.get(&["workspaces", &place.workspace, "secrets"], &[])?, listed)?;
        }
        SecretCommand::Delete { name, place } => {
            let answer = client.delete(&["workspaces", &place.workspace, "secrets", &name])?;
            output.tell(&answer, || format!("deleted {name}"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn set(name: &str, workspace: &str, client: &Client, output: Output) -> anyhow::Result<()> {
    let body = json!({ "value": value()? });
    let answer = client.put_json(&["workspaces", workspace, "secrets", name], &body)?;
    let news = if answer.status == StatusCode::CREATED { "stored" } else { "replaced" };
    output.tell(&answer, || format!("{news} {name}"))
}

/// Not from a flag, which everybody on the machine sees and shells remember, nor from a terminal, which shows it.
fn value() -> anyhow::Result<String> {
    if io::stdin().is_terminal() {
        bail!("the value is read from stdin: `latchwork secret set NAME < FILE`, or send it through a pipe");
    }
    let mut value = String::new();
    io::stdin().lock().read_to_string(&mut value).context("cannot read the value from stdin as text")?;
    let line = value.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    Ok(line.unwrap_or(&value).to_owned())
}

fn listed(answer: Secrets) -> String {
    let rows = answer.secrets.into_iter().map(|Secret { name, created_at, updated_at }| {
        [name, table::instant(&created_at), table::instant(&updated_at)]
    });
    table::columns(["NAME", "CREATED", "UPDATED"], rows)
}
