//! The promise of the project, kept on real input before one's eyes: a host is killed in the middle of an interval, and
//! the next one calls only the tasks that had not completed.
//!
//! Everything is seen from outside, over HTTP and in the log; knows nothing of the host's code.

mod evidence;
mod indices;
mod progress;
mod promises;
mod recovery_log;
mod tree;

use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cargo;
use crate::host::{Host, Start};
use evidence::{Evidence, Interval};
use progress::Progress;
use recovery_log::RecoveryLog;

/// The ledger has a key for each file: a large `--root` takes more than the default.
const KEY_BYTES_MAX: u64 = 1 << 30;

const TASKS: u64 = 256;
const MAX_PARALLEL: u64 = 8;
const LOOK_EVERY: Duration = Duration::from_millis(5);
const END_WITHIN: Duration = Duration::from_secs(30 * 60);

/// What the demo runs on, and what it leaves behind.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The directory that is audited
    #[arg(long, value_name = "DIR", default_value = "/usr/share")]
    root: PathBuf,

    /// Leave the resumed host running
    #[arg(long)]
    keep: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { root: "/usr/share".into(), keep: false }
    }
}

/// What both hosts are started from.
struct Stage {
    binary: PathBuf,
    root: PathBuf,
    data_dir: TempDir,
}

#[derive(Deserialize)]
struct Job {
    id: String,
}

#[derive(Deserialize)]
struct Triggered {
    interval_id: String,
}

/// Runs the demo; an error names each promise that was not kept.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let root = options.root.canonicalize().with_context(|| format!("cannot use {}", options.root.display()))?;
    step("building the plugin fixity and the host");
    cargo::build_plugins(&["fixity"])?;
    let stage = Stage { binary: cargo::build_host()?, root, data_dir: TempDir::with_prefix("latchwork-demo-")? };
    match play(&stage) {
        Ok(host) if options.keep => leave_running(host, stage.data_dir),
        Ok(_) => Ok(()),
        Err(error) => {
            let data_dir = stage.data_dir.keep();
            Err(error.context(format!("the demo failed; its data and logs are left in {}", data_dir.display())))
        }
    }
}

/// Returns the host that resumed the interval, if every promise held.
fn play(stage: &Stage) -> anyhow::Result<Host> {
    let files_before = tree::count_files(&stage.root);
    step(&format!("{files_before} files under {} are to be audited", stage.root.display()));

    let mut first = stage.start_host("host-1.log")?;
    let interval_id = stage.trigger(&first)?;
    step(&format!("interval {interval_id} runs; waiting until a third has completed"));
    let seen = until_a_third(&mut first, &interval_id)?;
    first.kill()?;
    step(&format!("killed the host with SIGKILL when it had told of {} of {} tasks", seen.completed, seen.total()));

    let restarted_at = Timestamp::now();
    let mut second = stage.start_host("host-2.log")?;
    step("started a new host on the same data directory; its log says:");
    let mut log = RecoveryLog::default();
    let ended = until_the_end(&mut second, &interval_id, &mut log)?;

    let mut evidence = Evidence::gather(&second, &interval_id, restarted_at)?;
    evidence.completed_seen = indices::parse(&seen.completed_indices)?;
    evidence.interval = ended;
    evidence.log = log;
    evidence.files_before = files_before;
    evidence.files_after = tree::count_files(&stage.root);
    println!("\n{}\n", evidence.table());
    promises::ensure_kept(&evidence)?;
    Ok(second)
}

impl Stage {
    fn start_host(&self, log: &str) -> anyhow::Result<Host> {
        let data_dir = self.data_dir.path();
        Host::start(Start { binary: &self.binary, data_dir, allow_dir: &self.root, log: data_dir.join(log) })
    }

    /// Uploads the plugin, creates the job and returns the id of its first interval.
    fn trigger(&self, host: &Host) -> anyhow::Result<String> {
        let component = fs::read(cargo::component("fixity")?)?;
        let _: Value = host.put("/plugins/fixity", &component)?;
        let job: Job = host.post(
            "/jobs",
            &json!({
                "name": "demo",
                "plugin": "fixity",
                "type": "manual",
                "payload": { "root": "/data", "tasks": TASKS },
                "max_parallel": MAX_PARALLEL,
                "key_limit_bytes": KEY_BYTES_MAX,
                "enable_recovery": true,
                "grants": { "directories": [{ "path": self.root, "mount": "/data" }] },
            }),
        )?;
        let triggered: Triggered = host.post(&format!("/jobs/{}/trigger", job.id), &json!({}))?;
        Ok(triggered.interval_id)
    }
}

fn until_a_third(host: &mut Host, interval_id: &str) -> anyhow::Result<Interval> {
    let mut progress = Progress::new()?;
    let interval = follow(host, interval_id, |_, interval| {
        progress.show(interval);
        interval.total() > 0 && interval.completed * 3 >= interval.total()
    })?;
    ensure!(
        interval.is_open(),
        "the interval {} before the host could be killed; --root takes a directory with more in it",
        interval.state
    );
    Ok(interval)
}

fn until_the_end(host: &mut Host, interval_id: &str, log: &mut RecoveryLog) -> anyhow::Result<Interval> {
    let mut progress = Progress::new()?;
    let interval = follow(host, interval_id, |host, interval| {
        log.read(&host.log_text(), |line| progress.print(line));
        progress.show(interval);
        false
    })?;
    log.read_the_rest(host, |line| progress.print(line));
    Ok(interval)
}

/// Looks at the interval until `is_enough` says so or it has ended.
fn follow(
    host: &mut Host,
    interval_id: &str,
    mut is_enough: impl FnMut(&Host, &Interval) -> bool,
) -> anyhow::Result<Interval> {
    let started_at = Instant::now();
    while started_at.elapsed() < END_WITHIN {
        host.ensure_alive()?;
        let interval: Interval = host.get(&format!("/intervals/{interval_id}"))?;
        if is_enough(host, &interval) || !interval.is_open() {
            return Ok(interval);
        }
        sleep(LOOK_EVERY);
    }
    bail!("the interval did not get there within {} minutes", END_WITHIN.as_secs() / 60)
}

fn leave_running(host: Host, data_dir: TempDir) -> anyhow::Result<()> {
    let host = host.release();
    println!("\nthe host runs on at http://{}, data in {}", host.address, data_dir.keep().display());
    println!("process {}; `kill {}` stops it", host.pid, host.pid);
    Ok(())
}

fn step(what: &str) {
    println!("• {what}");
}
