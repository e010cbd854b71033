//! What the linker should do beyond its defaults.

fn main() {
    if std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("wasm32") {
        // A small stack keeps the sandbox's memory small: a fresh one then costs microseconds.
        println!("cargo::rustc-link-arg=-zstack-size=65536");
        // Line tables would be nine tenths of the file; a backtrace keeps the names of the functions.
        println!("cargo::rustc-link-arg=--strip-debug");
    }
}
