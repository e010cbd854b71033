use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{env, mem};

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body};

const START_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The settings without the prefix `LATCHWORK_` that would change what a host does.
const SETTINGS: [&str; 6] = [
    "DATABASE_URL",
    "DEFAULT_RECOVERY_ENABLED",
    "ENABLE_RECOVERY",
    "MAX_RECOVERY_ATTEMPTS",
    "RECOVERY_CHECK_INTERVAL",
    "RUST_LOG",
];

/// How a host is started.
pub(crate) struct Start<'a> {
    pub(crate) binary: &'a Path,
    pub(crate) data_dir: &'a Path,
    pub(crate) allow_dir: &'a Path,
    pub(crate) log: PathBuf,
}

/// A host process and its API; killed when dropped.
pub(crate) struct Host {
    child: Child,
    agent: Agent,
    address: SocketAddr,
    log: PathBuf,
}

#[derive(Deserialize)]
struct Page<T> {
    #[serde(alias = "tasks", alias = "logs")]
    rows: Vec<T>,
}

/// A host that outlives this process.
pub(crate) struct Released {
    pub(crate) pid: u32,
    pub(crate) address: SocketAddr,
}

impl Host {
    /// Starts a host on a free port and waits until it listens.
    pub(crate) fn start(start: Start<'_>) -> anyhow::Result<Host> {
        let listen = start.data_dir.join("listen");
        // A killed host leaves its address behind, and it must not be taken for the new one's.
        if listen.exists() {
            fs::remove_file(&listen)?;
        }
        let mut command = Command::new(start.binary);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(start.data_dir);
        command.arg("--allow-dir").arg(start.allow_dir).env("NO_COLOR", "1");
        inherited_settings().for_each(|name| {
            command.env_remove(name);
        });
        let log = File::create(&start.log).with_context(|| format!("cannot write {}", start.log.display()))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("cannot start {}", start.binary.display()))?;
        let agent = Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
        let mut host = Host { child, agent, address: SocketAddr::from(([127, 0, 0, 1], 0)), log: start.log };
        host.address = host.wait_for_address(&listen)?;
        Ok(host)
    }

    /// Ends the process as a crash would, with SIGKILL.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Lets the host run on when this process ends.
    pub(crate) fn release(self) -> Released {
        let released = Released { pid: self.child.id(), address: self.address };
        mem::forget(self);
        released
    }

    /// Returns an error if the process has ended, with the last it had to say.
    pub(crate) fn ensure_alive(&mut self) -> anyhow::Result<()> {
        let Some(status) = self.child.try_wait()? else { return Ok(()) };
        let log = self.log_text();
        let last: Vec<_> = log.lines().rev().take(10).collect();
        bail!(
            "the host ended ({status}); its log ends with:\n{}",
            last.into_iter().rev().collect::<Vec<_>>().join("\n")
        )
    }

    /// Returns what the host has logged until now.
    pub(crate) fn log_text(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        read(path, self.agent.get(self.url(path)).call())
    }

    pub(crate) fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> anyhow::Result<T> {
        read(path, self.agent.post(self.url(path)).send_json(body))
    }

    pub(crate) fn put<T: DeserializeOwned>(&self, path: &str, bytes: &[u8]) -> anyhow::Result<T> {
        read(path, self.agent.put(self.url(path)).send(bytes))
    }

    /// Returns the rows of a list that the API answers page by page; `cursor` tells a row's place in it.
    pub(crate) fn get_all<T: DeserializeOwned>(&self, path: &str, cursor: fn(&T) -> u64) -> anyhow::Result<Vec<T>> {
        let mut rows = Vec::new();
        loop {
            let after = rows.last().map(|row| format!("?after={}", cursor(row))).unwrap_or_default();
            let page: Page<T> = self.get(&format!("{path}{after}"))?;
            if page.rows.is_empty() {
                return Ok(rows);
            }
            rows.extend(page.rows);
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn wait_for_address(&mut self, listen: &Path) -> anyhow::Result<SocketAddr> {
        let started_at = Instant::now();
        while started_at.elapsed() < START_WITHIN {
            self.ensure_alive()?;
            if let Some(address) = fs::read_to_string(listen).ok().and_then(|text| text.trim().parse().ok()) {
                return Ok(address);
            }
            sleep(LOOK_EVERY);
        }
        bail!("the host did not listen within {} s", START_WITHIN.as_secs())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have ended already; either way it is gone, and that is all that is wanted here.
        let _ = self.kill();
    }
}

/// What the person's own host is told must not reach this one.
fn inherited_settings() -> impl Iterator<Item = String> {
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter(|name| name.starts_with("LATCHWORK_") || SETTINGS.contains(&name.as_str()))
}

fn read<T: DeserializeOwned>(path: &str, response: Result<Response<Body>, ureq::Error>) -> anyhow::Result<T> {
    let mut response = response.with_context(|| format!("the host does not answer {path}"))?;
    let status = response.status();
    let text = response.body_mut().with_config().limit(64 << 20).read_to_string()?;
    ensure!(status.is_success(), "{path} was answered with {status}: {text}");
    serde_json::from_str(&text).with_context(|| format!("{path} was answered with something else: {text}"))
}
