use std::fs;
use std::path::Path;

/// Counts the regular files of a tree without following links, as fixity should, but by other means.
///
/// Leaves out what fixity cannot know either: the content of directories that cannot be listed, and names that are not
/// UTF-8, which its keys cannot hold.
pub(super) fn count_files(root: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(root) else { return 0 };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some())
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => count_files(&entry.path()),
            Ok(kind) if kind.is_file() => 1,
            _ => 0,
        })
        .sum()
}
