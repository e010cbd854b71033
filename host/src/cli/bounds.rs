use std::collections::BTreeMap;

use indicatif::BinaryBytes;
use serde::Deserialize;

/// What a job's tasks may use and reach, as a person reads it.
#[derive(Deserialize)]
pub(super) struct Bounds {
    memory_limit_bytes: Option<u64>,
    cpu_limit: Option<String>,
    output_limit_bytes: Option<u64>,
    checkpoint_limit_bytes: Option<u64>,
    log_limit_bytes: Option<u64>,
    key_limit_bytes: Option<u64>,
    random_limit_bytes: Option<u64>,
    http_body_limit_bytes: Option<u64>,
    handle_limit: Option<u32>,
    weight: Option<u32>,
    warm_calls: Option<u32>,
    #[serde(default)]
    grants: Granted,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Granted {
    directories: Vec<Directory>,
    http: Vec<Server>,
    config: BTreeMap<String, String>,
    secrets: Vec<Secret>,
}

#[derive(Deserialize)]
struct Directory {
    path: String,
    mount: String,
    access: String,
}

#[derive(Deserialize)]
struct Server {
    scheme: String,
    host: String,
    port: u16,
    methods: Vec<String>,
}

#[derive(Deserialize)]
struct Secret {
    name: String,
    env: String,
    shown_as: String,
    hosts: Vec<String>,
}

impl Bounds {
    /// The limits of a call, and what is granted where something is.
    pub(super) fn fields(self) -> Vec<(&'static str, Option<String>)> {
        let sizes = [
            ("memory", self.memory_limit_bytes),
            ("output", self.output_limit_bytes),
            ("checkpoint", self.checkpoint_limit_bytes),
            ("log", self.log_limit_bytes),
            ("keys", self.key_limit_bytes),
            ("random", self.random_limit_bytes),
            ("HTTP bodies", self.http_body_limit_bytes),
        ];
        let sizes = sizes.into_iter().filter_map(|(what, bytes)| Some(format!("{what} {}", BinaryBytes(bytes?))));
        let cpu = self.cpu_limit.map(|limit| format!("CPU {limit}"));
        let handles = self.handle_limit.map(|count| format!("{count} handles"));
        let Granted { directories, http, config, secrets } = self.grants;
        vec![
            ("limits", listed(cpu.into_iter().chain(sizes).chain(handles))),
            ("weight", self.weight.filter(|weight| *weight != 1).map(|weight| weight.to_string())),
            ("warm calls", self.warm_calls.filter(|calls| *calls > 0).map(|calls| calls.to_string())),
            ("directories", listed(directories.into_iter().map(Directory::text))),
            ("servers", listed(http.into_iter().map(Server::text))),
            ("config", listed(config.into_iter().map(|(name, value)| format!("{name}={value}")))),
            ("secrets", listed(secrets.into_iter().map(Secret::text))),
        ]
    }
}

impl Directory {
    fn text(self) -> String {
        let Self { path, mount, access } = self;
        if path == mount { format!("{path} ({access})") } else { format!("{path} as {mount} ({access})") }
    }
}

impl Server {
    /// As a flag takes it.
    fn text(self) -> String {
        let Self { scheme, host, port, methods } = self;
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let methods = if methods.is_empty() { String::new() } else { format!("{}=", methods.join(",")) };
        format!("{methods}{scheme}://{host}:{port}")
    }
}

impl Secret {
    fn text(self) -> String {
        let Self { name, env, shown_as, hosts } = self;
        let variable = if env == name { String::new() } else { format!(" as {env}") };
        let hosts = if hosts.is_empty() { String::new() } else { format!(" for {}", hosts.join(" and ")) };
        format!("{name}{variable}{hosts} ({shown_as})")
    }
}

fn listed(texts: impl Iterator<Item = String>) -> Option<String> {
    let texts: Vec<_> = texts.collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}
