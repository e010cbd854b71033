use std::time::Instant;

use anyhow::Context;
use comfy_table::Table;
use comfy_table::presets::NOTHING;

use crate::{cargo, demo, deny, postgres};

/// One thing that must pass.
struct Step {
    name: &'static str,
    act: Act,
}

enum Act {
    Pass(fn() -> anyhow::Result<()>),
    /// What passes and may still have something to tell.
    Tell(fn() -> anyhow::Result<Option<String>>),
}

/// The cheap steps come first, so that a slip is told of soon.
const STEPS: [Step; 10] = [
    Step { name: "wasm target", act: Act::Pass(cargo::ensure_wasm_target) },
    Step { name: "PostgreSQL", act: Act::Pass(postgres::ensure) },
    Step { name: "format", act: Act::Pass(format) },
    Step { name: "dependencies", act: Act::Pass(deny::dependencies) },
    Step { name: "advisories", act: Act::Tell(deny::advisories) },
    Step { name: "lints", act: Act::Pass(lints) },
    Step { name: "documentation", act: Act::Pass(documentation) },
    Step { name: "plugins", act: Act::Pass(|| cargo::build_plugins(&cargo::PLUGINS)) },
    Step { name: "tests", act: Act::Pass(|| cargo::run(&mut cargo::command(&["test", "--workspace"]))) },
    Step { name: "demo", act: Act::Pass(|| demo::run(&demo::Options::default())) },
];

/// Runs the steps in order and stops at the first that fails, naming it.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut times = Table::new();
    times.load_style(NOTHING);
    let mut notes = Vec::new();
    let ended = STEPS.iter().try_for_each(|step| {
        println!("\n== {}", step.name);
        let started_at = Instant::now();
        let passed = step.act.run();
        let outcome = match &passed {
            Ok(None) => "passed",
            Ok(Some(_)) => "see below",
            Err(_) => "failed",
        };
        times.add_row([step.name, outcome, &format!("{:.1} s", started_at.elapsed().as_secs_f64())]);
        notes.extend(passed.with_context(|| format!("the step `{}` failed", step.name))?);
        Ok(())
    });
    println!("\n{}", times.trim_fmt());
    notes.iter().for_each(|note| println!("\n{note}"));
    ended
}

impl Act {
    fn run(&self) -> anyhow::Result<Option<String>> {
        match self {
            Self::Pass(run) => run().map(|()| None),
            Self::Tell(run) => run(),
        }
    }
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
