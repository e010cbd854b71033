use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use indicatif::BinaryBytes;
use serde::Deserialize;
use ureq::http::StatusCode;

use super::client::Client;
use super::output::Output;
use super::table;

/// The commands about plugins.
#[derive(Debug, clap::Subcommand)]
pub enum PluginCommand {
    /// Upload a WebAssembly component as a version of a plugin
    Upload {
        /// The component, as the compiler wrote it
        file: PathBuf,

        /// The plugin's name [default: the file's name without its ending]
        #[arg(long)]
        name: Option<String>,
    },

    /// List the plugins, each in its current version
    List,

    /// Show a plugin's versions, the current one first, and what they ask for
    Show {
        /// The plugin's name
        name: String,
    },
}

#[derive(Deserialize)]
struct Plugin {
    name: String,
    digest: String,
    size_bytes: u64,
    uploaded_at: String,
    #[serde(default)]
    imports: Vec<String>,
    #[serde(default)]
    asks_for: Vec<String>,
}

#[derive(Deserialize)]
struct Plugins {
    plugins: Vec<Plugin>,
}

#[derive(Deserialize)]
struct Versions {
    versions: Vec<Plugin>,
}

pub(super) fn run(command: PluginCommand, client: &Client, output: Output) -> anyhow::Result<ExitCode> {
    match command {
        PluginCommand::Upload { file, name } => upload(&file, name, client, output)?,
        PluginCommand::List => output.show(&client.get(&["plugins"], &[])?, listed)?,
        PluginCommand::Show { name } => output.show(&client.get(&["plugins", &name], &[])?, shown)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn upload(file: &Path, name: Option<String>, client: &Client, output: Output) -> anyhow::Result<()> {
    let name = name.or_else(|| Some(file.file_stem()?.to_str()?.to_owned()));
    let name = name.with_context(|| format!("{} gives no name; add --name", file.display()))?;
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let answer = client.put(&["plugins", &name], &bytes)?;
    let news = if answer.status == StatusCode::CREATED { "new version" } else { "same version as before" };
    output.show(&answer, |plugin| uploaded(plugin, news))
}

fn uploaded(plugin: Plugin, news: &str) -> String {
    table::fields([
        ("plugin", Some(plugin.name)),
        ("upload", Some(news.into())),
        ("digest", Some(plugin.digest)),
        ("size", Some(BinaryBytes(plugin.size_bytes).to_string())),
        ("asks for", Some(plugin.asks_for.join(", "))),
        ("imports", Some(plugin.imports.join(", "))),
    ])
}

fn listed(answer: Plugins) -> String {
    let rows = answer.plugins.into_iter().map(|plugin| {
        let size = BinaryBytes(plugin.size_bytes).to_string();
        [plugin.name, table::short_digest(&plugin.digest), size, table::instant(&plugin.uploaded_at)]
    });
    table::columns(["NAME", "DIGEST", "SIZE", "UPLOADED"], rows)
}

fn shown(answer: Versions) -> String {
    let blocks = answer.versions.into_iter().map(|plugin| {
        table::fields([
            ("plugin", Some(plugin.name)),
            ("digest", Some(plugin.digest)),
            ("size", Some(BinaryBytes(plugin.size_bytes).to_string())),
            ("uploaded", Some(table::instant(&plugin.uploaded_at))),
            ("asks for", Some(plugin.asks_for.join(", "))),
            ("imports", Some(plugin.imports.join(", "))),
        ])
    });
    blocks.collect::<Vec<_>>().join("\n\n")
}
