//! Acts that reach for what lies outside of the sandbox.

use latchwork_sdk::{Task, TaskError, log};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;
use std::{env, fs::File, path::Path, thread};

/// Leaves a file that says: this attempt at this task was made.
pub(crate) fn witness(task: &Task, directory: &str) -> Result<(), TaskError> {
    let path = Path::new(directory).join(witness_name(task.index(), task.attempt(), task.fencing_token()));
    // A file that is there already means that a fencing token was given out twice: no retry may hide that.
    match File::create_new(&path) {
        Ok(_) => Ok(()),
        Err(error) => Err(TaskError::fatal(format!("cannot create {}: {error}", path.display()))),
    }
}

/// Shows that it runs, again and again; sleeps in between.
pub(crate) fn beat(index: u32, directory: &str, ms: u64) -> Result<Value, TaskError> {
    let path = Path::new(directory).join(format!("beats-{index}"));
    let mut beats = File::options().create(true).append(true).open(path)?;
    loop {
        beats.write_all(b".")?;
        thread::sleep(Duration::from_millis(ms));
    }
}

fn witness_name(index: u32, attempt: u32, fencing_token: u64) -> String {
    format!("{index}-{attempt}-{fencing_token}")
}

/// Tries to read a file, or to list a directory.
pub(crate) fn probe(path: &str) -> Value {
    let read = std::fs::read(path).map(drop).or_else(|error| std::fs::read_dir(path).map(drop).map_err(|_| error));
    json!({"read": read.is_ok(), "error": read.err().map(|error| error.to_string())})
}

/// Tries to open a TCP connection.
pub(crate) fn connect(address: &str) -> Value {
    let connected = TcpStream::connect(address);
    json!({"connected": connected.is_ok(), "error": connected.err().map(|error| error.to_string())})
}

/// What the host lets a plugin see of its environment.
pub(crate) fn environment() -> Value {
    json!({"variables": env::vars().collect::<BTreeMap<_, _>>(), "arguments": env::args().collect::<Vec<_>>()})
}

/// Tells a variable in every way that the host keeps.
#[allow(clippy::print_stdout, clippy::print_stderr, reason = "that is what is asked for")]
pub(crate) fn tell(variable: &str) -> Result<Value, TaskError> {
    let value = env::var(variable).unwrap_or_default();
    log::info!("{value}");
    println!("out: {value}");
    eprintln!("err: {value}");
    Err(TaskError::fatal(format!("failed with {value}")))
}

#[cfg(test)]
mod tests {
    use super::{probe, witness_name};

    #[test]
    fn a_witness_names_the_task_the_attempt_and_the_token() {
        assert_eq!(witness_name(7, 2, 40), "7-2-40");
    }

    #[test]
    fn a_probe_tells_whether_it_could_read() {
        assert_eq!(probe("Cargo.toml")["read"], true);
        assert_eq!(probe("/nowhere")["read"], false);
    }
}
