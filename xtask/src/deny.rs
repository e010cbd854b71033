//! What may be depended on: `deny.toml` says it, cargo-deny asks.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

use crate::cargo;

const VERSION: &str = "0.20.2";

/// Asks about licences, banned and double crates, and where they come from.
pub(crate) fn dependencies() -> anyhow::Result<()> {
    cargo::run(deny()?.args(["check", "bans", "licenses", "sources"]))
}

/// Asks about known faults. Where their database cannot be reached, says so: the gate also runs where there is no way to it.
pub(crate) fn advisories() -> anyhow::Result<Option<String>> {
    let fetched = cargo::output(deny()?.args(["fetch", "db"]))?;
    if fetched.status.success() {
        return cargo::run(deny()?.args(["check", "advisories"])).map(|()| None);
    }
    let said = String::from_utf8_lossy(&fetched.stderr);
    let reason = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it does not say why");
    let reason = reason.trim_start_matches("fatal: ");
    Ok(Some(format!("advisories: not checked, database unreachable: {reason}")))
}

/// Prepares `cargo deny`, installed beside what is built, where it is missing or another version.
fn deny() -> anyhow::Result<Command> {
    let tools = cargo::target_dir()?.join("tools");
    let programs = tools.join("bin");
    if !has_version(&programs) {
        install(&tools)?;
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths([programs].into_iter().chain(env::split_paths(&path)))?;
    let mut deny = cargo::command(&["deny"]);
    deny.env("PATH", path);
    Ok(deny)
}

fn has_version(programs: &Path) -> bool {
    let asked = cargo::output(Command::new(programs.join("cargo-deny")).arg("--version"));
    asked.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).trim() == format!("cargo-deny {VERSION}"))
}

fn install(tools: &Path) -> anyhow::Result<()> {
    println!("installing cargo-deny {VERSION}");
    let built = tools.join("build");
    // Not optimised: that takes a fifth of the time, and what it has to do here is done in a moment either way.
    let mut install = cargo::command(&["install", "cargo-deny", "--version", VERSION, "--locked", "--debug"]);
    install.arg("--root").arg(tools).arg("--target-dir").arg(&built).env("CARGO_PROFILE_DEV_DEBUG", "false");
    cargo::run(&mut install).with_context(|| {
        format!("the gate needs cargo-deny {VERSION} and it could not be installed; it comes from crates.io")
    })?;
    fs::remove_dir_all(&built).with_context(|| format!("cannot remove {}", built.display()))
}
