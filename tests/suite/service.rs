//! The unit file for systemd: that the host can be started as it says, and that it gives nothing away.

use latchwork_tests::HostBuilder;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

/// What the host takes beside the variables of its flags.
const OTHER_VARIABLES: [&str; 1] = ["RUST_LOG"];

/// How long the host gives open requests after its tasks, and what the disk may take.
const BEYOND_GRACE: Duration = Duration::from_secs(10);

/// What keeps the service in its place. Where a list is taken away from, `~` begins it.
const HARDENING: [(&str, &str); 29] = [
    ("NoNewPrivileges", "yes"),
    ("CapabilityBoundingSet", ""),
    ("AmbientCapabilities", ""),
    ("PrivateUsers", "yes"),
    ("ProtectSystem", "strict"),
    ("ProtectHome", "yes"),
    ("PrivateTmp", "yes"),
    ("PrivateDevices", "yes"),
    ("NoExecPaths", "/"),
    ("ProtectKernelTunables", "yes"),
    ("ProtectKernelModules", "yes"),
    ("ProtectKernelLogs", "yes"),
    ("ProtectControlGroups", "yes"),
    ("ProtectClock", "yes"),
    ("ProtectHostname", "yes"),
    ("ProtectProc", "invisible"),
    ("RestrictSUIDSGID", "yes"),
    ("RestrictNamespaces", "yes"),
    ("RestrictRealtime", "yes"),
    ("LockPersonality", "yes"),
    ("RemoveIPC", "yes"),
    ("KeyringMode", "private"),
    ("SystemCallArchitectures", "native"),
    ("SystemCallFilter", "@system-service"),
    ("SystemCallFilter", "~@privileged @resources @aio @keyring"),
    ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX"),
    ("UMask", "0077"),
    ("StateDirectoryMode", "0700"),
    ("LimitCORE", "0"),
];

/// What a hardened unit would say as well, and why this one must not.
const LEFT_OPEN: [(&str, &str, &str); 3] = [
    ("MemoryDenyWriteExecute", "no", "compiled plugins are written to memory that is then made executable"),
    ("ProcSubset", "all", "the host reads /proc/swaps to learn how memory can be reset"),
    ("OOMPolicy", "continue", "a compilation that the kernel ends must not take the host along"),
];

/// A file's `key=value` lines, in their order.
struct Unit(Vec<(String, String)>);

impl Unit {
    fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging").join(name);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '[']));
        let pair = |line: &str| line.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
        Self(lines.map(|line| pair(line).unwrap_or_else(|| panic!("{name}: `{line}` is no assignment"))).collect())
    }

    fn all(&self, key: &str) -> Vec<&str> {
        self.0.iter().filter(|(named, _)| named == key).map(|(_, value)| value.as_str()).collect()
    }

    fn one(&self, key: &str) -> &str {
        let values = self.all(key);
        assert_eq!(values.len(), 1, "{key} is said once: {values:?}");
        values[0]
    }

    fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.all("Environment").into_iter().map(|variable| variable.split_once('=').expect("a variable has a value"))
    }

    fn variable(&self, name: &str) -> &str {
        self.variables().find(|(named, _)| *named == name).unwrap_or_else(|| panic!("{name} is not set")).1
    }
}

fn seconds(text: &str) -> Duration {
    let number = text.strip_suffix('s').and_then(|number| number.parse().ok());
    Duration::from_secs(number.unwrap_or_else(|| panic!("`{text}` is no number of seconds")))
}

#[test]
fn the_unit_sets_only_what_the_host_takes() {
    let help = HostBuilder::new().bare_command().args(["serve", "--help"]).output().unwrap();
    // Without the breaks of its lines.
    let help = String::from_utf8(help.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    let unit = Unit::read("latchwork.service");
    let words: Vec<&str> = unit.one("ExecStart").split(' ').collect();
    assert!(words[0].starts_with('/') && words[1] == "serve", "{words:?}");
    for flag in words[2..].iter().filter(|word| word.starts_with("--")) {
        let name = flag.split('=').next().unwrap();
        assert!(help.contains(&format!("{name} ")), "`{name}` is no flag of `serve`");
    }
    for (variable, _) in unit.variables().chain(Unit::read("secrets.conf").variables()) {
        let is_known = help.contains(&format!("[env: {variable}=")) || OTHER_VARIABLES.contains(&variable);
        assert!(is_known, "`{variable}` is no variable of `serve`:\n{help}");
    }
    // The directory that systemd makes is the one that the host uses, and the program the one that may be executed.
    assert_eq!(unit.variable("LATCHWORK_DATA_DIR"), format!("%S/{}", unit.one("StateDirectory")));
    assert!(unit.one("ExecPaths").split(' ').any(|path| path == words[0]));
}

#[test]
fn the_unit_runs_the_host_without_any_privilege() {
    let unit = Unit::read("latchwork.service");
    for key in ["User", "Group"] {
        assert!(!["", "root", "0"].contains(&unit.one(key)), "{key}");
    }
    for (key, value) in HARDENING {
        assert!(unit.all(key).contains(&value), "{key}={value} is missing: {:?}", unit.all(key));
    }
    for (key, value, reason) in LEFT_OPEN {
        assert_eq!(unit.one(key), value, "{key}: {reason}");
    }
    for bound in ["MemoryMax", "TasksMax", "LimitNOFILE"] {
        assert!(!["", "infinity"].contains(&unit.one(bound)), "{bound}");
    }
    // The key of secrets lies in no place that anybody else can read.
    let secrets = Unit::read("secrets.conf");
    let (name, _) = secrets.one("LoadCredential").split_once(':').unwrap();
    assert_eq!(secrets.variable("LATCHWORK_SECRETS_KEY_FILE"), format!("%d/{name}"));
}

#[test]
fn the_unit_waits_for_the_hosts_grace_and_does_not_repeat_what_stays_wrong() {
    let unit = Unit::read("latchwork.service");
    let grace = seconds(unit.variable("LATCHWORK_STOP_GRACE"));
    assert!(seconds(unit.one("TimeoutStopSec")) >= grace + BEYOND_GRACE);
    assert_eq!(unit.one("Restart"), "on-failure");
    let wrong = HostBuilder::new().command_of("serve").args(["--listen", "nowhere"]).output().unwrap();
    assert_eq!(wrong.status.code().unwrap().to_string(), unit.one("RestartPreventExitStatus"));
}

#[test]
fn a_host_warns_where_it_runs_as_root() {
    let builder = HostBuilder::new();
    let host = builder.start();
    let is_root = std::fs::metadata(builder.data_dir()).unwrap().uid() == 0;
    assert_eq!(host.log().contains("Running as root"), is_root, "{}", host.log());
}
