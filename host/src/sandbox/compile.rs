//! From uploaded bytes to something that can be called, or a reason why not.

use super::bindings::PluginPre;
use super::state::CallState;
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
    /// The compiler failed; the host goes on.
    #[error("the compiler cannot compile this component")]
    CompilerPanicked,
}

/// Checks bytes against the world and compiles them; also answers with the names that the component imports.
pub(super) fn compile(
    engine: &Engine,
    linker: &Linker<CallState>,
    bytes: &[u8],
) -> Result<(PluginPre<CallState>, Vec<String>), Refusal> {
    check_header(bytes)?;
    let component = Component::new(engine, bytes).map_err(|error| Refusal::Invalid(in_one_line(&error)))?;
    let ty = component.component_type();
    let imports = ty.imports(engine).map(|(name, _)| name.to_owned()).collect();
    let exports: Vec<String> = ty.exports(engine).map(|(name, _)| name.to_owned()).collect();
    let pre = linker.instantiate_pre(&component).map_err(|error| Refusal::Import(in_one_line(&error)))?;
    let pre = PluginPre::new(pre).map_err(|error| Refusal::Export(export_message(&error, &exports)))?;
    Ok((pre, imports))
}

fn check_header(bytes: &[u8]) -> Result<(), Refusal> {
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

fn in_one_line(error: &wasmtime::Error) -> String {
    format!("{error:#}").split_whitespace().collect::<Vec<_>>().join(" ")
}
