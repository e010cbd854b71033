//! What a job's tasks may reach, as clients see it: what is shown can be sent back.

use crate::domain::grants::{Access, DirectoryGrant, Grants, HttpGrant, HttpScheme, SecretGrant, SecretShown};
use crate::domain::host_pattern::HostPattern;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
pub(super) struct GrantsView {
    directories: Vec<DirectoryView>,
    http: Vec<HttpView>,
    config: BTreeMap<String, String>,
    secrets: Vec<SecretView>,
}

#[derive(Serialize)]
struct DirectoryView {
    path: String,
    mount: String,
    access: Access,
}

#[derive(Serialize)]
struct HttpView {
    scheme: HttpScheme,
    host: HostPattern,
    port: u16,
    methods: Vec<String>,
}

/// Of the secret itself there is nothing to show.
#[derive(Serialize)]
struct SecretView {
    name: String,
    env: String,
    shown_as: SecretShown,
    hosts: Vec<HostPattern>,
}

impl From<Grants> for GrantsView {
    fn from(grants: Grants) -> Self {
        let Grants { directories, http, config, secrets } = grants;
        let directory =
            |DirectoryGrant { path, mount, access }| DirectoryView { path: path.display().to_string(), mount, access };
        let server = |HttpGrant { scheme, host, port, methods }| HttpView { scheme, host, port, methods };
        let secret = |SecretGrant { name, env, shown_as, hosts }| SecretView { name, env, shown_as, hosts };
        Self {
            directories: directories.into_iter().map(directory).collect(),
            http: http.into_iter().map(server).collect(),
            config,
            secrets: secrets.into_iter().map(secret).collect(),
        }
    }
}
