//! How soon a host serves that has 100 compiled plugins, and what memory it holds at rest.

use crate::median;
use anyhow::{Context as _, Result, ensure};
use latchwork_tests::{Api, Host, HostBuilder};
use std::time::{Duration, Instant};

const PLUGINS: u32 = 100;

/// How often the host is started; the median counts.
const ROUNDS: usize = 9;

/// How long a host has had nothing to do when its memory is looked at.
const REST: Duration = Duration::from_secs(2);

const GLANCE: Duration = Duration::from_micros(200);
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn measure() -> Result<()> {
    let builder = HostBuilder::new();
    let host = builder.start();
    upload_all(&host, 201)?;
    ensure!(host.stop().success(), "the host stops in order");
    let (mut took, mut idle) = (Vec::new(), Vec::new());
    let mut loaded = 0.0;
    for round in 1..=ROUNDS {
        let (after, host) = started(&builder)?;
        took.push(after.as_secs_f64());
        std::thread::sleep(REST);
        idle.push(resident_mib(&host)?);
        if round == ROUNDS {
            // The same bytes again: each is loaded from the cache, and nothing is compiled.
            upload_all(&host, 200)?;
            std::thread::sleep(REST);
            loaded = resident_mib(&host)?;
        }
        ensure!(host.stop().success(), "the host stops in order");
    }
    println!("a host with {PLUGINS} plugins, compiled before, on SQLite; median of {ROUNDS} starts");
    println!("  from its start to GET /health 200   {:>7.1} ms (limit 300)", median(took) * 1_000.0);
    println!("  resident memory, idle               {:>7.1} MiB", median(idle));
    println!("  the same with all of them loaded    {loaded:>7.1} MiB");
    Ok(())
}

fn upload_all(host: &Host, expected: u16) -> Result<()> {
    let wasm = latchwork_tests::plugin("noop");
    for number in 0..PLUGINS {
        let (status, answer) = host.api.upload(&format!("noop-{number}"), &salted(&wasm, number));
        ensure!(status == expected, "upload {number}: {status} {answer}");
    }
    Ok(())
}

/// The same component with another digest: a custom section says nothing to anybody.
fn salted(wasm: &[u8], salt: u32) -> Vec<u8> {
    [wasm, &[0, 9, 4], b"salt", &salt.to_le_bytes()].concat()
}

/// Starts a host, and tells after how long it answered that it serves.
fn started(builder: &HostBuilder) -> Result<(Duration, Host)> {
    let listen = builder.data_dir().join("listen");
    let begun = Instant::now();
    let mut host = builder.spawn();
    loop {
        if let Ok(address) = std::fs::read_to_string(&listen) {
            host.api = Api::new(format!("http://{address}"));
            if host.api.look("/health").is_some_and(|answer| answer.status == 200) {
                return Ok((begun.elapsed(), host));
            }
        }
        ensure!(!host.has_ended() && begun.elapsed() < PATIENCE, "the host does not serve:\n{}", host.log());
        std::thread::sleep(GLANCE);
    }
}

fn resident_mib(host: &Host) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.pid()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("Linux says what is resident")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1_024.0)
}
