use std::path::Path;
use std::process::Command;

use anyhow::Context;

use crate::cargo;

/// Installs PostgreSQL, of which the tests start a server of their own, where it is missing.
pub(crate) fn ensure() -> anyhow::Result<()> {
    if is_there() {
        return Ok(());
    }
    println!("installing PostgreSQL");
    // A fresh machine may not know yet which packages there are.
    install()
        .or_else(|_| cargo::run(Command::new("apt-get").arg("update")).and_then(|()| install()))
        .context(
            "the tests need PostgreSQL 15 or later and it could not be installed; \
             as root, run `apt-get update` and `apt-get install postgresql`, or put its `initdb` and `pg_ctl` on the PATH",
        )
}

fn install() -> anyhow::Result<()> {
    let mut install = Command::new("apt-get");
    install
        .args(["install", "--yes", "--no-install-recommends", "postgresql"])
        .env("DEBIAN_FRONTEND", "noninteractive");
    cargo::run(&mut install)
}

/// Whether its programs lie where the tests look for them.
fn is_there() -> bool {
    let packaged = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = packaged.map(|version| version.path().join("bin")).collect();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let has = |folder: &Path, program| folder.join(program).exists();
    folders.iter().any(|folder| has(folder, "initdb") && has(folder, "pg_ctl"))
}
