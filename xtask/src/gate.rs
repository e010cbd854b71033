use std::time::Instant;

use anyhow::Context;
use comfy_table::Table;
use comfy_table::presets::NOTHING;

use crate::{cargo, demo, postgres};

/// One thing that must pass.
struct Step {
    name: &'static str,
    run: fn() -> anyhow::Result<()>,
}

/// The cheap steps come first, so that a slip is told of soon.
const STEPS: [Step; 8] = [
    Step { name: "wasm target", run: cargo::ensure_wasm_target },
    Step { name: "PostgreSQL", run: postgres::ensure },
    Step { name: "format", run: format },
    Step { name: "lints", run: lints },
    Step { name: "documentation", run: documentation },
    Step { name: "plugins", run: || cargo::build_plugins(&cargo::PLUGINS) },
    Step { name: "tests", run: || cargo::run(&mut cargo::command(&["test", "--workspace"])) },
    Step { name: "demo", run: || demo::run(&demo::Options::default()) },
];

/// Runs the steps in order and stops at the first that fails, naming it.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut times = Table::new();
    times.load_style(NOTHING);
    let ended = STEPS.iter().try_for_each(|step| {
        println!("\n== {}", step.name);
        let started_at = Instant::now();
        let passed = (step.run)();
        let outcome = if passed.is_ok() { "passed" } else { "failed" };
        times.add_row([step.name, outcome, &format!("{:.1} s", started_at.elapsed().as_secs_f64())]);
        passed.with_context(|| format!("the step `{}` failed", step.name))
    });
    println!("\n{}", times.trim_fmt());
    ended
}

fn format() -> anyhow::Result<()> {
    cargo::ensure_component("rustfmt", "fmt")?;
    cargo::run(&mut cargo::command(&["fmt", "--all", "--check"]))
}

fn lints() -> anyhow::Result<()> {
    cargo::ensure_component("clippy", "clippy")?;
    cargo::run(&mut cargo::command(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn documentation() -> anyhow::Result<()> {
    cargo::run(cargo::command(&["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
}
