use std::process::Command;

use crate::cargo;

/// Builds the plugins and the benchmarks, optimised, and runs them.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    cargo::build_plugins(&cargo::PLUGINS)?;
    // With the rest of the workspace, as they build the hosts that they start: nothing is compiled twice.
    cargo::run(&mut cargo::command(&["build", "--release", "--workspace", "--bins"]))?;
    cargo::run(Command::new(cargo::target_dir()?.join("release/bench")).args(arguments))
}
