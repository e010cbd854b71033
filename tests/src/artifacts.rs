//! The host's binary and the plugins, built once for each test run.

use latchwork::sandbox::{CompileLimits, Compiler};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace")
}

/// The directory into which cargo builds.
fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), |dir| workspace().join(dir))
}

/// The binary `latchwork` of the profile that the tests are built with.
pub fn host_binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let profile: &[&str] = if cfg!(debug_assertions) { &[] } else { &["--release"] };
        // The whole workspace: a single package would be built with other features of what it shares with the rest.
        build(&["--workspace", "--bins"], profile);
        target_dir().join(if cfg!(debug_assertions) { "debug" } else { "release" }).join("latchwork")
    })
}

/// The compiler of a sandbox that is not in the host's binary.
pub fn compiler() -> Compiler {
    let patient = Duration::from_mins(5);
    let limits = CompileLimits { memory_bytes_max: 4 << 30, cpu_max: patient, timeout: patient };
    Compiler::new(host_binary().to_owned(), limits)
}

/// The bytes of one of the plugins in `plugins/`.
pub fn plugin(name: &str) -> Vec<u8> {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let packages = ["fetch", "fixity", "hello", "misbehave", "noop", "wordcount"].map(|name| ["--package", name]);
        let packages = packages.concat();
        build(&packages, &["--release", "--target", "wasm32-wasip2"]);
    });
    let path = target_dir().join("wasm32-wasip2/release").join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Builds what is not fresh; cargo holds a lock, so that test binaries do not get in each other's way.
fn build(packages: &[&str], profile: &[&str]) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(workspace()).arg("build").arg("--quiet").args(packages).args(profile);
    // What cargo says of the package that it runs here, ring's build script would take for a change: ring and all that
    // stands on it would be built anew, and once more by whoever comes after the tests.
    let is_of_a_package = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_of_a_package)) {
        command.env_remove(name);
    }
    let built = command.status();
    assert!(built.expect("cargo runs").success(), "cargo build {packages:?} {profile:?} failed");
}
