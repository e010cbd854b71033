//! The compiler's process from the inside.

use super::super::{compile, engine};
use super::answer::Answer;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{self, Read as _};
use wasmtime::{CodeBuilder, Engine, OutOfMemory};

/// The limits that the process sets for itself, before it reads anything.
#[derive(Debug, Clone, Copy)]
pub struct ProcessLimits {
    /// How much it may write to, in bytes.
    pub memory_bytes_max: u64,
    /// How many seconds of CPU time it may take.
    pub cpu_seconds_max: u64,
}

/// Compiles a component from stdin, and answers the host on stdout.
pub fn compile_alone(limits: ProcessLimits) -> io::Result<()> {
    confine(limits)?;
    let mut component = Vec::new();
    io::stdin().lock().read_to_end(&mut component)?;
    answer_to(&component).write(io::stdout().lock())
}

/// What a component becomes, or why it becomes nothing.
pub(super) fn answer_to(component: &[u8]) -> Answer {
    match compile(component) {
        Ok(code) => Answer::Code(code),
        Err(error) if error.is::<OutOfMemory>() => Answer::OutOfMemory,
        Err(error) => Answer::Invalid(compile::in_one_line(&error)),
    }
}

/// Whether a process ended because it got no more memory. Rust's own last words are all that it leaves of that.
pub(super) fn has_run_out_of_memory(last_words: &str) -> bool {
    last_words.contains("memory allocation of")
}

fn compile(component: &[u8]) -> wasmtime::Result<Vec<u8>> {
    let engine = Engine::new(&engine::config())?;
    CodeBuilder::new(&engine).wasm_binary(component, None)?.compile_component_serialized()
}

fn confine(limits: ProcessLimits) -> io::Result<()> {
    let ProcessLimits { memory_bytes_max, cpu_seconds_max } = limits;
    // Where the machine runs out of memory nevertheless, this process goes before the host. Not offered everywhere.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    // Not the address space: that would count what is only reserved, such as the heaps of its threads.
    limit(Resource::Data, memory_bytes_max, memory_bytes_max)?;
    // The first ends it by a signal of its own, the second would by one that says nothing.
    limit(Resource::Cpu, cpu_seconds_max, cpu_seconds_max + 1)?;
    // It writes no file, not even its own remains.
    limit(Resource::Fsize, 0, 0)?;
    limit(Resource::Core, 0, 0)
}

fn limit(resource: Resource, soft: u64, hard: u64) -> io::Result<()> {
    // Whoever started the host may have set less, which only a privileged process could raise.
    let hard = getrlimit(resource).maximum.map_or(hard, |given| given.min(hard));
    Ok(setrlimit(resource, Rlimit { current: Some(soft.min(hard)), maximum: Some(hard) })?)
}
