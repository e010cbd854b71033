//! The host as a real process.

use crate::{Api, Rows, host_binary, text};
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything that a test waits for may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a test looks whether what it waits for has happened.
const GLANCE: Duration = Duration::from_millis(5);

/// How a host is started, again and again on the same files.
pub struct HostBuilder {
    files: Arc<TempDir>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

/// A running host; killed when dropped.
pub struct Host {
    child: Child,
    log: PathBuf,
    /// They stay as long as a host runs on them.
    _files: Arc<TempDir>,
    /// Its API.
    pub api: Api,
}

impl Default for HostBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl HostBuilder {
    /// A host with files of its own, on a free port.
    pub fn new() -> Self {
        let files = Arc::new(TempDir::new().expect("a temporary directory"));
        Self { files, arguments: Vec::new(), environment: Vec::new() }
    }

    /// Adds a flag to `latchwork serve`.
    #[must_use]
    pub fn flag(mut self, name: &str, value: impl ToString) -> Self {
        self.arguments.extend([name.to_owned(), value.to_string()]);
        self
    }

    /// Takes a flag back.
    #[must_use]
    pub fn without_flag(mut self, name: &str) -> Self {
        let place = self.arguments.iter().position(|argument| argument == name).expect("the flag was given");
        self.arguments.drain(place..place + 2);
        self
    }

    /// Adds a variable to the host's environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Where the host keeps its files.
    pub fn data_dir(&self) -> PathBuf {
        self.files.path().join("data")
    }

    /// The host's database.
    pub fn database(&self) -> PathBuf {
        self.data_dir().join("latchwork.db")
    }

    /// What the host has left, once it is gone.
    pub fn rows(&self) -> Rows {
        Rows::of(self.database())
    }

    /// The command that starts the host, for tests that expect it to fail.
    pub fn command(&self) -> Command {
        let mut command = self.command_of("serve");
        command.args(["--listen", "127.0.0.1:0"]);
        command
    }

    /// A command that takes the host's settings, such as `migrate`.
    pub fn command_of(&self, subcommand: &str) -> Command {
        let mut command = self.bare_command();
        command.arg(subcommand).arg("--data-dir").arg(self.data_dir()).args(&self.arguments);
        command
    }

    /// The binary in the host's environment, without any argument.
    pub fn bare_command(&self) -> Command {
        let mut command = Command::new(host_binary());
        for (name, _) in std::env::vars().filter(|(name, _)| is_setting(name)) {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().cloned()).env("NO_COLOR", "1").stdin(Stdio::null());
        command
    }

    /// Starts the host and waits until it serves.
    pub fn start(&self) -> Host {
        let log = self.log();
        self.try_start().unwrap_or_else(|| {
            panic!("the host ended at its start:\n{}", std::fs::read_to_string(log).unwrap_or_default())
        })
    }

    /// The same for a host that may end before it serves; none where it has.
    pub fn try_start(&self) -> Option<Host> {
        let mut host = self.spawn();
        let listen = self.listen_file();
        let address = wait_for("the host to serve", || match std::fs::read_to_string(&listen) {
            Ok(address) => Some(Some(address)),
            Err(_) => host.has_ended().then_some(None),
        })?;
        host.api = Api::new(format!("http://{address}"));
        Some(host)
    }

    /// Starts the host and does not wait; its API is not known yet.
    pub fn spawn(&self) -> Host {
        // A killed host leaves its address behind.
        let _ = std::fs::remove_file(self.listen_file());
        let log = self.log();
        let stderr = File::options().create(true).append(true).open(&log).expect("the log opens");
        let child = self.command().stderr(stderr).spawn().expect("the host starts");
        Host { child, log, _files: Arc::clone(&self.files), api: Api::new(String::new()) }
    }

    /// Where hosts on these files log.
    pub fn log(&self) -> PathBuf {
        self.files.path().join("host.log")
    }

    fn listen_file(&self) -> PathBuf {
        self.data_dir().join("listen")
    }
}

/// Settings of the surroundings must not reach the host under test.
fn is_setting(name: &str) -> bool {
    const RECOVERY: [&str; 4] =
        ["ENABLE_RECOVERY", "DEFAULT_RECOVERY_ENABLED", "RECOVERY_CHECK_INTERVAL", "MAX_RECOVERY_ATTEMPTS"];
    name.starts_with("LATCHWORK_")
        || name.starts_with("AWS_")
        || name == "DATABASE_URL"
        || name == "RUST_LOG"
        || RECOVERY.contains(&name)
}

impl Host {
    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that hosts on these files have logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Stops the process where it is, with SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("the host's end");
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
        assert!(sent.expect("kill runs").success());
    }

    /// What is wrong, by its health; none where nothing is, or where the host has ended.
    pub fn complaint(&self) -> Option<String> {
        let health = self.api.look("/health")?;
        (health.status == 503).then(|| text(&health.body["checks"]["database"]["reason"]))
    }

    /// Waits for the process to end by itself.
    pub fn wait(mut self) -> ExitStatus {
        wait_for("the host to end", || self.child.try_wait().expect("the host's status"))
    }

    /// Asks the host to stop and waits until it has.
    pub fn stop(self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    /// Whether the process is gone.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the host's status").is_some()
    }
}

impl Drop for Host {
    #[expect(clippy::print_stderr, reason = "what the host logged explains a test's failure, and its files go with it")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the host's log:\n{}", self.log());
        }
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks until there is something to see.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < give_up, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(GLANCE);
    }
}
