use crate::cargo;

/// Builds the plugins and the benchmark, optimised, and runs it.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    cargo::build_plugins(&cargo::PLUGINS)?;
    let mut bench = cargo::command(&["run", "--release", "--package", "latchwork-tests", "--bin", "bench", "--"]);
    cargo::run(bench.args(arguments))
}
