use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

pub(crate) const PLUGINS: [&str; 6] = ["fetch", "fixity", "hello", "misbehave", "noop", "wordcount"];

const WASM_TARGET: &str = "wasm32-wasip2";

/// Returns the path of one plugin's component among those that [`build_plugins`] built.
pub(crate) fn component(plugin: &str) -> anyhow::Result<PathBuf> {
    Ok(target_dir()?.join(WASM_TARGET).join("release").join(plugin).with_extension("wasm"))
}

pub(crate) fn build_plugins(plugins: &[&str]) -> anyhow::Result<()> {
    ensure_wasm_target()?;
    let mut build = command(&["build", "--release", "--target", WASM_TARGET]);
    run(build.args(plugins.iter().flat_map(|plugin| ["-p", plugin])))
}

/// Builds the host as the tests do, so that nothing is compiled twice, and returns the binary's path.
pub(crate) fn build_host() -> anyhow::Result<PathBuf> {
    run(&mut command(&["build", "--workspace", "--bins"]))?;
    Ok(target_dir()?.join("debug/latchwork").with_extension(env::consts::EXE_EXTENSION))
}

/// Adds the target that plugins are compiled for, where the toolchain lacks it.
pub(crate) fn ensure_wasm_target() -> anyhow::Result<()> {
    // The directory is asked for instead of rustup's list: it is there in a toolchain without rustup too.
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let libdir = output(Command::new(rustc).args(["--print", "target-libdir", "--target", WASM_TARGET]))?;
    if libdir.status.success() && Path::new(String::from_utf8_lossy(&libdir.stdout).trim()).is_dir() {
        return Ok(());
    }
    println!("adding the target {WASM_TARGET}");
    run(Command::new("rustup").args(["target", "add", WASM_TARGET])).with_context(|| {
        format!(
            "plugins need the target {WASM_TARGET} and it could not be added; \
             with a network, run `rustup target add {WASM_TARGET}`; without rustup, \
             install the Rust standard library for {WASM_TARGET} beside the compiler"
        )
    })
}

/// Adds a tool of the toolchain (`fmt` from rustfmt, `clippy` from clippy), where it is missing.
pub(crate) fn ensure_component(component: &str, subcommand: &str) -> anyhow::Result<()> {
    if output(&mut command(&[subcommand, "--version"]))?.status.success() {
        return Ok(());
    }
    println!("adding the component {component}");
    run(Command::new("rustup").args(["component", "add", component])).with_context(|| {
        format!("`cargo {subcommand}` is missing and could not be added; run `rustup component add {component}`")
    })
}

/// Prepares a cargo command in the workspace, by the cargo that runs this chore.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).args(arguments);
    // What cargo says of the package that it runs here, ring's build script would take for a change: ring and all that
    // stands on it would be built anew.
    let is_of_a_package = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_of_a_package)) {
        command.env_remove(name);
    }
    command
}

/// Runs a command whose output the person sees, and fails as it does.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", shown(command)))?;
    ensure!(status.success(), "{} failed ({status})", shown(command));
    Ok(())
}

/// The directory into which cargo builds.
pub(crate) fn target_dir() -> anyhow::Result<PathBuf> {
    let metadata = output(&mut command(&["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_slice(&metadata.stdout).context("cannot read cargo's metadata")?;
    match metadata["target_directory"].as_str() {
        Some(directory) => Ok(directory.into()),
        None => bail!("cargo's metadata names no target directory"),
    }
}

/// Runs a command and keeps what it says.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<Output> {
    command.output().with_context(|| format!("cannot start {}", shown(command)))
}

/// The command as a person would type it.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_stem().unwrap_or(command.get_program());
    let words: Vec<_> = [program].into_iter().chain(command.get_args()).map(|word| word.to_string_lossy()).collect();
    format!("`{}`", words.join(" "))
}
