//! From uploaded bytes and their compiled code to something that can be called, or a reason why not.

use super::bindings::PluginPre;
use super::state::CallState;
use std::time::Duration;
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

/// The four bytes every wasm file begins with.
const MAGIC: &[u8] = b"\0asm";

/// What follows them in a core module, and in a component.
const MODULE: &[u8] = &[1, 0, 0, 0];
const COMPONENT: &[u8] = &[13, 0, 1, 0];

/// Why bytes are no plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not wasm at all.
    #[error("this is not WebAssembly: the file does not begin with the bytes `\\0asm`")]
    NotWasm,
    /// A core module.
    #[error(
        "this is a core module, not a component: build it with `cargo build --release --target wasm32-wasip2`, or turn \
         it into a component with `wasm-tools component new`"
    )]
    CoreModule,
    /// Wasm of a version that is not known.
    #[error("this is WebAssembly of an unknown version: a component begins with the bytes 00 61 73 6d 0d 00 01 00")]
    UnknownVersion,
    /// A component that is damaged or uses what this host has switched off.
    #[error("the component is not valid: {0}")]
    Invalid(String),
    /// An import that the host does not offer.
    #[error("the component asks for something that this host does not offer: {0}")]
    Import(String),
    /// A missing or different export.
    #[error("the component is not of the world `latchwork:plugin/plugin`: {0}")]
    Export(String),
    /// It takes more memory than a compilation may.
    #[error("compiling this component takes more than {0} bytes of memory (LATCHWORK_COMPILE_MEMORY_BYTES_MAX)")]
    TooMuchMemory(u64),
    /// It takes more of the processors' time than a compilation may.
    #[error("compiling this component takes more than {0:?} of CPU time (LATCHWORK_COMPILE_CPU_MAX)")]
    TooMuchCpu(Duration),
    /// It has not ended in time.
    #[error("compiling this component took longer than {0:?} (LATCHWORK_COMPILE_TIMEOUT)")]
    TooSlow(Duration),
    /// It would be too large in memory.
    #[error("this component compiles to more than {0} bytes of code")]
    TooMuchCode(usize),
    /// The compiler's process ended before it had an answer: a panic, or a signal.
    #[error("the compiler cannot compile this component: its process ended with {0}")]
    CompilerDied(String),
    /// The host cannot compile anything just now; that says nothing about the component.
    #[error("this host cannot compile anything just now: {0}")]
    CompilerUnavailable(String),
}

/// Checks compiled code against the world; also answers with the names that the component imports.
///
/// # Safety
///
/// The code comes from [`super::compiler`], unchanged: wasmtime runs what it is given.
pub(super) unsafe fn link(
    engine: &Engine,
    linker: &Linker<CallState>,
    code: &[u8],
) -> Result<(PluginPre<CallState>, Vec<String>), Refusal> {
    // SAFETY: the caller's promise.
    let component = unsafe { Component::deserialize(engine, code) };
    let component = component.map_err(|error| Refusal::Invalid(in_one_line(&error)))?;
    let ty = component.component_type();
    let imports = ty.imports(engine).map(|(name, _)| name.to_owned()).collect();
    let exports: Vec<String> = ty.exports(engine).map(|(name, _)| name.to_owned()).collect();
    let pre = linker.instantiate_pre(&component).map_err(|error| Refusal::Import(in_one_line(&error)))?;
    let pre = PluginPre::new(pre).map_err(|error| Refusal::Export(export_message(&error, &exports)))?;
    Ok((pre, imports))
}

/// Refuses what cannot be a component, before anything is compiled.
pub(super) fn check_header(bytes: &[u8]) -> Result<(), Refusal> {
    let version = bytes.strip_prefix(MAGIC).ok_or(Refusal::NotWasm)?;
    match version.get(..4) {
        Some(COMPONENT) => Ok(()),
        Some(MODULE) => Err(Refusal::CoreModule),
        _ => Err(Refusal::UnknownVersion),
    }
}

fn export_message(error: &wasmtime::Error, exports: &[String]) -> String {
    let found = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
    format!("{}; it exports {found}", in_one_line(error))
}

/// An error with its causes.
pub(super) fn in_one_line(error: &wasmtime::Error) -> String {
    format!("{error:#}").split_whitespace().collect::<Vec<_>>().join(" ")
}
