//! The project's chores, run as `cargo xtask …`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a chore talks to the person who started it")]

mod bench;
mod cargo;
mod demo;
mod deny;
mod gate;
mod host;
mod postgres;

use std::process::ExitCode;

use clap::Parser;

/// The project's chores.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Chore {
    /// Kill a host in the middle of real work and watch the next one resume it
    Demo(demo::Options),

    /// Run everything that must pass before a change is taken
    Test,

    /// Measure what the project claims of its speed and its size
    Bench {
        /// Which, such as throughput, call or cold-start; all where none is named
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let done = match Chore::parse() {
        Chore::Demo(options) => demo::run(&options),
        Chore::Test => gate::run(),
        Chore::Bench { arguments } => bench::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
