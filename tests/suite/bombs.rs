//! Small components that are a burden to whoever compiles them.

use std::fmt::Write as _;

/// Takes minutes of CPU time: every local may come from every loop around it.
pub(crate) fn slow() -> Vec<u8> {
    slow_with(0)
}

/// The same as [`slow`], with another digest for every salt.
pub(crate) fn slow_with(salt: u32) -> Vec<u8> {
    nested_loops(500, 1_000, salt)
}

/// Takes hundreds of megabytes at once.
pub(crate) fn large() -> Vec<u8> {
    nested_loops(3_000, 3_000, 0)
}

fn nested_loops(loops: usize, locals: usize, salt: u32) -> Vec<u8> {
    let mut body = format!("(local{})\n{}", " i32".repeat(locals), "loop ".repeat(loops));
    for local in 0..locals {
        let target = (local * 7 + 1) % locals;
        writeln!(body, "local.get {local} i32.const {salt} i32.add local.set {target}").unwrap();
    }
    for around in 0..loops {
        writeln!(body, "local.get {} br_if 0 end", around % locals).unwrap();
    }
    wat::parse_str(format!("(component (core module (func {body})))")).expect("sound text")
}
