//! Which directories the operator lets jobs be granted.

use crate::domain::grants::{Access, DirectoryGrant};
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

/// The operator's bound: a grant lies within one of these, with no more access.
#[derive(Debug, Clone, Default)]
pub struct AllowedDirectories(Vec<AllowedDirectory>);

/// One `--allow-dir`: `PATH` to read, `PATH:rw` to write, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedDirectory {
    path: PathBuf,
    access: Access,
}

/// A grant that the operator does not allow, or that names no directory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// Nothing is there, or it is not a directory.
    #[error("the directory {0} does not exist on the host")]
    Missing(PathBuf),
    /// Outside of what is allowed.
    #[error("the directory {path} is not allowed for {access}: start the host with --allow-dir {mend}")]
    NotAllowed {
        /// The directory.
        path: PathBuf,
        /// What was asked for.
        access: &'static str,
        /// The flag's value that would allow it.
        mend: String,
    },
}

/// A granted directory, open: whatever happens to its path from now on, it stays the one that was checked.
#[derive(Debug, Clone)]
pub struct GrantedDirectory {
    directory: Arc<File>,
    mount: String,
    access: Access,
}

impl GrantedDirectory {
    /// Where tasks see it.
    pub(super) fn mount(&self) -> &str {
        &self.mount
    }

    /// Lets a call reach it.
    pub(super) fn mount_into(&self, wasi: &mut WasiCtxBuilder) -> wasmtime::Result<()> {
        let perms = match self.access {
            Access::Read => FsPerms::ReadOnly,
            Access::ReadWrite => FsPerms::ReadWrite,
        };
        wasi.preopened_dir(proc_path(&self.directory), &self.mount, perms)?;
        Ok(())
    }
}

/// The path under which Linux shows an open file of this process, wherever it lies.
fn proc_path(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

impl FromStr for AllowedDirectory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (path, access) = match text.rsplit_once(':') {
            Some((path, "rw")) => (path, Access::ReadWrite),
            Some((path, "ro")) => (path, Access::Read),
            _ => (text, Access::Read),
        };
        let path = std::fs::canonicalize(path).map_err(|error| format!("{path}: {error}"))?;
        Ok(Self { path, access })
    }
}

impl<'de> serde::Deserialize<'de> for AllowedDirectory {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl AllowedDirectories {
    /// The bound that consists of these.
    pub fn new(allowed: Vec<AllowedDirectory>) -> Self {
        Self(allowed)
    }

    /// Opens what is granted, for the calls of one interval. What was opened is checked, not what its path said before:
    /// a task that may write could put a link in the path's way.
    pub fn open(&self, grant: &DirectoryGrant) -> Result<GrantedDirectory, Forbidden> {
        let DirectoryGrant { path, mount, access } = self.check(grant)?;
        let missing = |_| Forbidden::Missing(path.clone());
        let directory = File::open(&path).map_err(missing)?;
        let opened = std::fs::read_link(proc_path(&directory)).map_err(missing)?;
        self.check_path(&opened, access)?;
        Ok(GrantedDirectory { directory: Arc::new(directory), mount, access })
    }

    /// Answers with the grant on the directory's real path, links resolved, if the operator allows it.
    ///
    /// Checked when a job is created and again before each interval: the operator may have changed their mind.
    pub fn check(&self, grant: &DirectoryGrant) -> Result<DirectoryGrant, Forbidden> {
        let path = std::fs::canonicalize(&grant.path).ok().filter(|path| path.is_dir());
        let path = path.ok_or_else(|| Forbidden::Missing(grant.path.clone()))?;
        self.check_path(&path, grant.access)?;
        Ok(DirectoryGrant { path, ..grant.clone() })
    }

    fn check_path(&self, path: &Path, access: Access) -> Result<(), Forbidden> {
        if self.0.iter().any(|allowed| allowed.covers(path, access)) {
            return Ok(());
        }
        let (access, suffix) = match access {
            Access::Read => ("reading", ""),
            Access::ReadWrite => ("writing", ":rw"),
        };
        let mend = format!("{}{suffix}", path.display());
        Err(Forbidden::NotAllowed { path: path.to_owned(), access, mend })
    }
}

impl AllowedDirectory {
    fn covers(&self, path: &Path, access: Access) -> bool {
        path.starts_with(&self.path) && access <= self.access
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(path: &Path, access: Access) -> DirectoryGrant {
        DirectoryGrant { path: path.into(), mount: "/data".into(), access }
    }

    #[test]
    fn a_grant_lies_within_what_is_allowed_with_no_more_access() {
        let root = std::env::temp_dir().canonicalize().unwrap();
        let allowed = |text: String| AllowedDirectories::new(vec![text.parse().unwrap()]);
        let reading = allowed(root.display().to_string());
        assert_eq!(reading.check(&grant(&root, Access::Read)).unwrap().path, root);
        assert!(matches!(reading.check(&grant(&root, Access::ReadWrite)), Err(Forbidden::NotAllowed { .. })));
        let parent = root.parent().unwrap();
        assert!(matches!(reading.check(&grant(parent, Access::Read)), Err(Forbidden::NotAllowed { .. })));
        assert!(allowed(format!("{}:rw", root.display())).check(&grant(&root, Access::ReadWrite)).is_ok());
        let gone = root.join("no such directory");
        assert_eq!(reading.check(&grant(&gone, Access::Read)), Err(Forbidden::Missing(gone)));
    }

    #[test]
    fn a_directory_stays_the_one_that_was_checked_whatever_happens_to_its_path() {
        let root = std::env::temp_dir().canonicalize().unwrap().join(format!("granted-{}", std::process::id()));
        let (inside, moved) = (root.join("inside"), root.join("moved"));
        std::fs::create_dir_all(&inside).unwrap();
        let allowed = AllowedDirectories::new(vec![root.display().to_string().parse().unwrap()]);
        let granted = allowed.open(&grant(&inside, Access::Read)).unwrap();
        std::fs::rename(&inside, &moved).unwrap();
        std::os::unix::fs::symlink("/etc", &inside).unwrap();
        assert_eq!(std::fs::read_link(proc_path(&granted.directory)).unwrap(), moved);
        assert!(matches!(allowed.open(&grant(&inside, Access::Read)), Err(Forbidden::NotAllowed { .. })));
        std::fs::remove_dir_all(&root).unwrap();
    }
}
