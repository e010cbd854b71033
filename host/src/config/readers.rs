//! What single settings take, in a flag, a variable or the file.

use crate::database_setting;
use crate::domain::host::Roles;
use crate::domain::human_duration;
use crate::domain::labels::Labels;
use crate::plugin_store_setting::{self, PluginStore};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

pub(super) fn parsed<T: FromStr>(text: &str, name: &str, expected: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| format!("{name} takes {expected}"))
}

pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    parsed(text, "LATCHWORK_LISTEN", "an address and a port, such as 127.0.0.1:8080")
}

pub(super) fn data_dir(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("LATCHWORK_DATA_DIR takes the path of a directory".to_owned()) } else { Ok(text.into()) }
}

/// The rest is checked by [`super::database`], whose refusal keeps a password to itself.
pub(super) fn database_url(text: &str) -> Result<String, String> {
    if text.is_empty() { Err(format!("DATABASE_URL takes {}", database_setting::TAKES)) } else { Ok(text.to_owned()) }
}

pub(super) fn database_wait(text: &str) -> Result<Duration, String> {
    human_duration::parse(text).map_err(|_| "LATCHWORK_DATABASE_WAIT takes a duration such as 1m".to_owned())
}

pub(super) fn plugin_store(text: &str) -> Result<PluginStore, String> {
    parsed(text, "LATCHWORK_PLUGIN_STORE", plugin_store_setting::TAKES)
}

pub(super) fn host_id(text: &str) -> Result<String, String> {
    let is_plain = !text.is_empty() && text.len() <= 128 && text.chars().all(|c| c.is_ascii_graphic());
    if is_plain { Ok(text.to_owned()) } else { Err("LATCHWORK_HOST_ID takes 1 to 128 printable characters".to_owned()) }
}

pub(super) fn roles(text: &str) -> Result<Roles, String> {
    text.parse().map_err(|error| format!("LATCHWORK_ROLES takes api, scheduler and worker, or some of them: {error}"))
}

pub(super) fn labels(text: &str) -> Result<Labels, String> {
    text.parse().map_err(|error| format!("LATCHWORK_LABELS takes labels such as gpu=yes,zone=a: {error}"))
}

pub(super) fn upload_bytes_max(text: &str) -> Result<usize, String> {
    parsed(text, "LATCHWORK_UPLOAD_BYTES_MAX", "a number of bytes")
}

pub(super) fn stop_grace(text: &str) -> Result<Duration, String> {
    human_duration::parse(text).map_err(|_| "LATCHWORK_STOP_GRACE takes a duration such as 30s".to_owned())
}

pub(super) fn compile_memory_bytes_max(text: &str) -> Result<u64, String> {
    parsed(text, "LATCHWORK_COMPILE_MEMORY_BYTES_MAX", "a number of bytes")
}

pub(super) fn compile_cpu_max(text: &str) -> Result<Duration, String> {
    let refusal = "LATCHWORK_COMPILE_CPU_MAX takes a duration in whole seconds, from 1s";
    let cpu = human_duration::parse(text).map_err(|_| refusal.to_owned())?;
    if cpu.as_secs() > 0 && cpu.subsec_nanos() == 0 { Ok(cpu) } else { Err(refusal.to_owned()) }
}

pub(super) fn compile_timeout(text: &str) -> Result<Duration, String> {
    human_duration::parse(text).map_err(|_| "LATCHWORK_COMPILE_TIMEOUT takes a duration such as 2m".to_owned())
}

pub(super) fn enable_recovery(text: &str) -> Result<bool, String> {
    parsed(text, "ENABLE_RECOVERY", "true or false")
}

pub(super) fn default_recovery_enabled(text: &str) -> Result<bool, String> {
    parsed(text, "DEFAULT_RECOVERY_ENABLED", "true or false")
}

pub(super) fn recovery_check_interval(text: &str) -> Result<u32, String> {
    from_one(text, "RECOVERY_CHECK_INTERVAL", "a whole number of seconds from 1")
}

pub(super) fn database_connections_max(text: &str) -> Result<u32, String> {
    from_one(text, "LATCHWORK_DATABASE_CONNECTIONS_MAX", "a whole number from 1")
}

pub(super) fn max_recovery_attempts(text: &str) -> Result<u32, String> {
    from_one(text, "MAX_RECOVERY_ATTEMPTS", "a whole number from 1")
}

pub(super) fn default_retention_intervals(text: &str) -> Result<u32, String> {
    parsed(text, "LATCHWORK_DEFAULT_RETENTION_INTERVALS", "a whole number, 0 for any number of intervals")
}

pub(super) fn default_retention_days(text: &str) -> Result<u32, String> {
    parsed(text, "LATCHWORK_DEFAULT_RETENTION_DAYS", "a whole number of days, 0 for ever")
}

fn from_one(text: &str, name: &str, expected: &str) -> Result<u32, String> {
    parsed(text, name, expected)
        .and_then(|value| if value > 0 { Ok(value) } else { Err(format!("{name} takes {expected}")) })
}

/// A setting of the file, read by the words of its flag.
pub(super) fn take<T>(
    file: &mut toml::Table,
    key: &str,
    text_of: fn(&toml::Value) -> Option<String>,
    parse: fn(&str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    file.remove(key).map(|value| read(&value, key, text_of, parse)).transpose()
}

/// A setting of the file that may be given several times.
pub(super) fn take_all<T>(
    file: &mut toml::Table,
    key: &str,
    parse: fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let values = match file.remove(key) {
        Some(toml::Value::Array(values)) => values,
        one => Vec::from_iter(one),
    };
    values.iter().map(|value| read(value, key, quoted, parse)).collect()
}

fn read<T>(
    value: &toml::Value,
    key: &str,
    text_of: fn(&toml::Value) -> Option<String>,
    parse: fn(&str) -> Result<T, String>,
) -> Result<T, String> {
    // A value of another type is read as an empty text, which no setting takes: so its refusal says what is taken.
    parse(&text_of(value).unwrap_or_default()).map_err(|reason| format!("`{key}`: {reason}"))
}

pub(super) fn quoted(value: &toml::Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

pub(super) fn bare(value: &toml::Value) -> Option<String> {
    (value.is_integer() || value.is_bool()).then(|| value.to_string())
}
