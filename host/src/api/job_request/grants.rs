//! What a job's tasks may reach.

use super::super::error::ApiError;
use crate::domain::grants::{Access, DirectoryGrant, Grants, HttpGrant, HttpScheme, SecretGrant, SecretShown};
use crate::domain::host_pattern::HostPattern;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The most grants of one kind.
const GRANTS_MAX: usize = 100;

/// The longest configuration value, in bytes.
const CONFIG_BYTES_MAX: usize = 16 << 10;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantsRequest {
    #[serde(default)]
    directories: Vec<DirectoryRequest>,
    #[serde(default)]
    http: Vec<HttpRequest>,
    #[serde(default)]
    config: BTreeMap<String, String>,
    #[serde(default)]
    secrets: Vec<SecretRequest>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DirectoryRequest {
    path: PathBuf,
    mount: Option<String>,
    #[serde(default)]
    access: Access,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HttpRequest {
    #[serde(default)]
    scheme: HttpScheme,
    host: String,
    port: Option<u16>,
    #[serde(default)]
    methods: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretRequest {
    name: String,
    env: Option<String>,
    #[serde(default)]
    shown_as: SecretShown,
    #[serde(default)]
    hosts: Vec<String>,
}

impl GrantsRequest {
    pub(super) fn check(self) -> Result<Grants, ApiError> {
        let Self { directories, http, config, secrets } = self;
        at_most("grants.directories", directories.len())?;
        at_most("grants.http", http.len())?;
        at_most("grants.config", config.len())?;
        at_most("grants.secrets", secrets.len())?;
        let directories = checked_directories(directories)?;
        let http = http.into_iter().map(HttpRequest::check).collect::<Result<_, _>>()?;
        config.iter().try_for_each(|(name, value)| check_config(name, value))?;
        let secrets = checked_secrets(secrets, &config)?;
        Ok(Grants { directories, http, config, secrets })
    }
}

fn checked_directories(requests: Vec<DirectoryRequest>) -> Result<Vec<DirectoryGrant>, ApiError> {
    let mut directories: Vec<DirectoryGrant> = Vec::new();
    for DirectoryRequest { path, mount, access } in requests {
        let mount = mount.unwrap_or_else(|| path.display().to_string());
        if !path.is_absolute() {
            return Err(relative("path", &path.display().to_string()));
        }
        if !mount.starts_with('/') {
            return Err(relative("mount", &mount));
        }
        if directories.iter().any(|other| other.mount == mount) {
            return Err(ApiError::invalid("grants.directories", format!("`{mount}` is mounted twice")));
        }
        directories.push(DirectoryGrant { path, mount, access });
    }
    Ok(directories)
}

impl HttpRequest {
    fn check(self) -> Result<HttpGrant, ApiError> {
        let Self { scheme, host, port, methods } = self;
        let port = port.unwrap_or(scheme.default_port());
        if port == 0 {
            return Err(ApiError::invalid("grants.http", "`port` takes 1 to 65535, not 0"));
        }
        let methods = methods.into_iter().map(method).collect::<Result<_, _>>()?;
        Ok(HttpGrant { scheme, host: pattern("grants.http", &host)?, port, methods })
    }
}

fn checked_secrets(
    requests: Vec<SecretRequest>,
    config: &BTreeMap<String, String>,
) -> Result<Vec<SecretGrant>, ApiError> {
    let mut secrets: Vec<SecretGrant> = Vec::new();
    for SecretRequest { name, env, shown_as, hosts } in requests {
        check_variable("grants.secrets", &name)?;
        let env = env.unwrap_or_else(|| name.clone());
        check_variable("grants.secrets", &env)?;
        if config.contains_key(&env) || secrets.iter().any(|other| other.env == env) {
            let mend = "give one of them another `env`";
            return Err(ApiError::invalid("grants.secrets", format!("the variable `{env}` is given twice: {mend}")));
        }
        let hosts = hosts.iter().map(|host| pattern("grants.secrets", host)).collect::<Result<_, _>>()?;
        secrets.push(SecretGrant { name, env, shown_as, hosts });
    }
    Ok(secrets)
}

fn check_config(name: &str, value: &str) -> Result<(), ApiError> {
    check_variable("grants.config", name)?;
    if value.len() > CONFIG_BYTES_MAX || value.contains('\0') {
        let reason = format!("the value of `{name}` takes at most {CONFIG_BYTES_MAX} bytes, and no NUL");
        return Err(ApiError::invalid("grants.config", reason));
    }
    Ok(())
}

/// The name of an environment variable, as POSIX knows it. Secrets are named alike.
pub(in super::super) fn check_variable(field: &str, name: &str) -> Result<(), ApiError> {
    let is_known = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let begins_well = name.bytes().next().is_some_and(|first| !first.is_ascii_digit());
    if is_known && begins_well && name.len() <= 255 {
        return Ok(());
    }
    let expected = "letters, digits and `_`, no digit first, 255 at most";
    Err(ApiError::invalid(field, format!("`{name}` is no name of a variable: it takes {expected}")))
}

fn method(name: String) -> Result<String, ApiError> {
    let upper = name.to_ascii_uppercase();
    if http::Method::from_bytes(upper.as_bytes()).is_ok() {
        return Ok(upper);
    }
    Err(ApiError::invalid("grants.http", format!("`{name}` is no HTTP method")))
}

fn pattern(field: &str, host: &str) -> Result<HostPattern, ApiError> {
    host.parse().map_err(|error| ApiError::invalid(field, error))
}

fn at_most(field: &str, count: usize) -> Result<(), ApiError> {
    if count <= GRANTS_MAX {
        return Ok(());
    }
    Err(ApiError::invalid(field, format!("takes at most {GRANTS_MAX} entries, not {count}")))
}

fn relative(field: &str, path: &str) -> ApiError {
    ApiError::invalid("grants.directories", format!("`{field}` takes an absolute path, not `{path}`"))
}
