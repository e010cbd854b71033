//! A compilation has limits of its own, and nothing that happens in it happens to the host.

use crate::actors::Actors;
use crate::bombs;
use crate::engine_by_hand::{Host as HostByHand, eventually};
use crate::world::{World, manual_job};
use async_trait::async_trait;
use latchwork::domain::digest::Digest;
use latchwork::domain::interval::IntervalState;
use latchwork::sandbox::{Callable, CompileLimits, Compiler, PluginSource, Refusal, Sandbox};
use latchwork_tests::{Host, HostBuilder, plugin, text, wait_for};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

#[test]
fn what_takes_too_long_to_compile_is_refused_by_cpu_time_and_the_host_goes_on() {
    let host = host("--compile-cpu-max", "3s");
    let problem = refused(&host, &bombs::slow());
    assert_eq!(problem["code"], "compile_limit_exceeded", "{problem}");
    let detail = text(&problem["detail"]);
    assert!(detail.contains("3s of CPU time") && detail.contains("LATCHWORK_COMPILE_CPU_MAX"), "{detail}");
    host.api.assert_goes_on();
}

#[test]
fn what_takes_too_much_memory_to_compile_is_refused_and_the_host_goes_on() {
    let host = host("--compile-memory-bytes-max", 100_000_000);
    let problem = refused(&host, &bombs::large());
    assert_eq!(problem["code"], "compile_limit_exceeded", "{problem}");
    let detail = text(&problem["detail"]);
    assert!(detail.contains("100000000 bytes") && detail.contains("LATCHWORK_COMPILE_MEMORY_BYTES_MAX"), "{detail}");
    host.api.assert_goes_on();
}

#[test]
fn a_compiler_that_hangs_is_killed_when_its_time_is_over() {
    let host = host("--compile-timeout", "10s");
    std::thread::scope(|scope| {
        let refusal = scope.spawn(|| refused(&host, &bombs::slow()));
        signal(wait_for_compiler(&host), "STOP");
        let problem = refusal.join().unwrap();
        assert_eq!(problem["code"], "compile_limit_exceeded", "{problem}");
        let detail = text(&problem["detail"]);
        assert!(detail.contains("longer than 10s") && detail.contains("LATCHWORK_COMPILE_TIMEOUT"), "{detail}");
    });
    wait_for("the compiler to be gone", || compilers(&host).is_empty().then_some(()));
    host.api.assert_goes_on();
}

#[test]
fn a_compiler_that_crashes_is_a_refusal() {
    let host = host("--compile-cpu-max", "1m");
    std::thread::scope(|scope| {
        let refusal = scope.spawn(|| refused(&host, &bombs::slow()));
        signal(wait_for_compiler(&host), "ABRT");
        let problem = refusal.join().unwrap();
        assert_eq!(problem["code"], "not_compilable", "{problem}");
        assert!(text(&problem["detail"]).contains("SIGABRT"), "{problem}");
    });
    host.api.assert_goes_on();
}

#[test]
fn few_are_compiled_at_a_time_and_none_sees_the_hosts_environment() {
    let builder = HostBuilder::new().flag("--compile-cpu-max", "1s").variable("PATH_TO_SECRET", "/secret");
    let host = builder.start();
    let bombs: Vec<_> = (0..4).map(bombs::slow_with).collect();
    let seen = std::thread::scope(|scope| {
        let host = &host;
        let uploads: Vec<_> = bombs.iter().map(|bomb| scope.spawn(|| refused(host, bomb))).collect();
        let mut seen = BTreeSet::new();
        wait_for("all uploads to be refused", || {
            let now = compilers(host);
            assert!(now.len() <= 2, "{now:?}");
            for pid in now.into_iter().filter(|pid| is_compiler(*pid)) {
                let environment = std::fs::read_to_string(format!("/proc/{pid}/environ")).unwrap_or_default();
                assert!(!environment.contains("PATH_TO_SECRET"), "{environment}");
                seen.insert(pid);
            }
            uploads.iter().all(|upload| upload.is_finished()).then_some(())
        });
        uploads.into_iter().for_each(|upload| drop(upload.join().unwrap()));
        seen
    });
    assert_eq!(seen.len(), 4, "each is compiled in a process of its own");
}

#[tokio::test]
async fn a_host_without_a_compiler_says_that_it_is_not_the_components_fault() {
    let limits =
        CompileLimits { memory_bytes_max: 1 << 30, cpu_max: Duration::from_mins(1), timeout: Duration::from_mins(1) };
    let sandbox = Sandbox::new(Compiler::new("/no/such/program".into(), limits)).unwrap();
    let refusal = sandbox.load(plugin("hello")).await.err().unwrap();
    assert!(matches!(&refusal, Refusal::CompilerUnavailable(reason) if reason.contains("No such file")), "{refusal}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interval_waits_for_a_compiler_that_is_not_available() {
    let busy = Arc::new(Busy { refusals: AtomicU32::new(0), actors: Actors::new() });
    let host = HostByHand::with(World::new().await, "a", Arc::clone(&busy) as Arc<dyn PluginSource>).await;
    let mut job = manual_job();
    job.spec.work.payload = r#""quick""#.to_owned();
    let interval = host.fire(job).await;
    eventually(async || Some(()).filter(|()| busy.refusals.load(Ordering::SeqCst) > 0)).await;
    assert_eq!(host.world.view(interval).await.state, IntervalState::Pending);
    let view = eventually(async || {
        host.clock.advance(Duration::from_secs(1));
        host.wakeups.executor.nudge();
        Some(host.world.view(interval).await).filter(|view| !view.state.is_open())
    })
    .await;
    assert_eq!(view.state, IntervalState::Succeeded, "{:?}", view.reason);
    host.stop().await;
}

/// Cannot compile at first, and then can.
struct Busy {
    refusals: AtomicU32,
    actors: Actors,
}

#[async_trait]
impl PluginSource for Busy {
    fn loaded(&self, _: &Digest) -> Option<Arc<dyn Callable>> {
        None
    }

    async fn load(&self, _: Vec<u8>) -> Result<Arc<dyn Callable>, Refusal> {
        if self.refusals.fetch_add(1, Ordering::SeqCst) < 2 {
            return Err(Refusal::CompilerUnavailable("out of processes".to_owned()));
        }
        Ok(Arc::new(self.actors.clone()))
    }
}

/// A host with one limit set, and with a plugin that tells whether it goes on.
fn host(flag: &str, value: impl ToString) -> Host {
    let host = HostBuilder::new().flag(flag, value).start();
    host.api.upload_plugin("misbehave");
    host
}

fn refused(host: &Host, component: &[u8]) -> Value {
    let (status, problem) = host.api.upload("bomb", component);
    assert_eq!(status, 422, "{problem}");
    let plugins = host.api.get("/plugins");
    let plugins = plugins["plugins"].as_array().unwrap();
    assert!(plugins.iter().all(|plugin| plugin["name"] != json!("bomb")), "nothing of it is kept");
    problem
}

/// The processes that the host has started.
fn compilers(host: &Host) -> Vec<u32> {
    let processes =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    processes.filter(|pid| parent_of(*pid) == Some(host.pid())).collect()
}

fn wait_for_compiler(host: &Host) -> u32 {
    wait_for("a compiler", || compilers(host).into_iter().find(|pid| is_compiler(*pid)))
}

/// None for a process that is gone, or over.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let mut fields = stat.rsplit(')').next()?.split_whitespace();
    if fields.next()? == "Z" { None } else { fields.next()?.parse().ok() }
}

/// Whether it has become one: before that it is still a copy of the host.
fn is_compiler(pid: u32) -> bool {
    let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    command.starts_with("latchwork\0compile\0")
}

fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}
