//! Lists the files of a tree.

use std::fs::{self, DirEntry, FileType};
use std::{io, path::Path};

/// What a walk found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The regular files, relative to the root, in no order.
    pub(crate) files: Vec<String>,
    /// The directories that could not be read, or not to their end, and why. Under WASI a name that is not UTF-8 ends
    /// the listing of its directory.
    pub(crate) unreadable: Vec<(String, io::Error)>,
}

/// Lists the regular files under `root`; symbolic links are neither listed nor followed.
///
/// An error is the root's own: a directory below it that cannot be read does not end the walk.
pub(crate) fn walk(root: &Path) -> io::Result<Found> {
    let mut found = Found::default();
    // A list of what is left instead of recursion: a plugin's stack is small, and the depth of the tree is not ours.
    let mut left = Vec::new();
    read(root, "", &mut found, &mut left)?;
    while let Some(directory) = left.pop() {
        if let Err(error) = read(root, &directory, &mut found, &mut left) {
            found.unreadable.push((directory, error));
        }
    }
    Ok(found)
}

/// Reads one directory, given relative to the root, and adds the directories in it to `left`.
fn read(root: &Path, directory: &str, found: &mut Found, left: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(directory))? {
        match listed(entry) {
            Ok((name, kind)) => {
                let path = if directory.is_empty() { name } else { format!("{directory}/{name}") };
                if kind.is_dir() {
                    left.push(path);
                } else if kind.is_file() {
                    found.files.push(path);
                }
            }
            Err(error) => found.unreadable.push((directory.to_owned(), error)),
        }
    }
    Ok(())
}

fn listed(entry: io::Result<DirEntry>) -> io::Result<(String, FileType)> {
    let entry = entry?;
    let name = entry.file_name().into_string().map_err(|name| {
        // The contract's keys are text, so that such a file could be read, but not remembered.
        io::Error::new(io::ErrorKind::InvalidData, format!("the name {name:?} is not UTF-8"))
    })?;
    Ok((name, entry.file_type()?))
}

#[cfg(test)]
mod tests {
    use super::walk;
    use std::fs;

    #[test]
    fn files_at_every_depth_are_listed_relative_to_the_root() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join("a/b")).unwrap();
        for file in ["top", "a/one", "a/b/two"] {
            fs::write(tree.path().join(file), file).unwrap();
        }
        let mut files = walk(tree.path()).unwrap().files;
        files.sort();
        assert_eq!(files, ["a/b/two", "a/one", "top"]);
    }

    #[test]
    fn a_root_that_does_not_exist_is_an_error() {
        let tree = tempfile::tempdir().unwrap();
        assert!(walk(&tree.path().join("nowhere")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn symbolic_links_are_neither_listed_nor_followed() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir(tree.path().join("a")).unwrap();
        fs::write(tree.path().join("a/file"), "").unwrap();
        std::os::unix::fs::symlink("file", tree.path().join("a/link")).unwrap();
        std::os::unix::fs::symlink("..", tree.path().join("a/loop")).unwrap();
        let found = walk(tree.path()).unwrap();
        assert_eq!(found.files, ["a/file"]);
        assert!(found.unreadable.is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_not_utf8_is_told_and_the_files_beside_it_are_listed() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
        let tree = tempfile::tempdir().unwrap();
        fs::write(tree.path().join(OsStr::from_bytes(b"\xff")), "").unwrap();
        fs::write(tree.path().join("file"), "").unwrap();
        let found = walk(tree.path()).unwrap();
        assert_eq!(found.files, ["file"]);
        assert_eq!(found.unreadable.len(), 1);
    }
}
