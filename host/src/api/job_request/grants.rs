//! What a job's tasks may reach.

use super::super::error::ApiError;
use crate::domain::job::{Access, DirectoryGrant, Grants};
use serde::Deserialize;
use std::path::PathBuf;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantsRequest {
    #[serde(default)]
    directories: Vec<DirectoryRequest>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DirectoryRequest {
    path: PathBuf,
    mount: Option<String>,
    #[serde(default)]
    access: Access,
}

impl GrantsRequest {
    pub(super) fn check(self) -> Result<Grants, ApiError> {
        let mut directories: Vec<DirectoryGrant> = Vec::new();
        for DirectoryRequest { path, mount, access } in self.directories {
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
        Ok(Grants { directories })
    }
}

fn relative(field: &str, path: &str) -> ApiError {
    ApiError::invalid("grants.directories", format!("`{field}` takes an absolute path, not `{path}`"))
}
