//! What a task tells about its slice.

use crate::audit::Difference;
use crate::hash::Fingerprint;
use serde::Serialize;
use std::fmt::{self, Display, Formatter};

/// A task's output. Counts where a list would name every file of a first audit, lists where each file matters.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    /// How many files were read.
    files: u64,
    /// How long they are together.
    bytes: u64,
    unchanged: u64,
    new: u64,
    changed: Vec<String>,
    missing: Vec<String>,
    unreadable: Vec<Unreadable>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Unreadable {
    path: String,
    error: String,
}

impl Report {
    /// Adds what was found at a path.
    pub(crate) fn add(&mut self, path: String, difference: Difference) {
        match difference {
            Difference::Unchanged(found) => {
                self.read(&found);
                self.unchanged += 1;
            }
            Difference::New(found) => {
                self.read(&found);
                self.new += 1;
            }
            Difference::Changed(found) => {
                self.read(&found);
                self.changed.push(path);
            }
            Difference::Missing => self.missing.push(path),
            Difference::Unreadable { error } => self.unreadable.push(Unreadable { path, error }),
            Difference::Passing => {}
        }
    }

    fn read(&mut self, found: &Fingerprint) {
        self.files += 1;
        self.bytes += found.bytes;
    }
}

impl Display for Report {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self { files, bytes, unchanged, new, changed, missing, unreadable } = self;
        let (changed, missing, unreadable) = (changed.len(), missing.len(), unreadable.len());
        write!(out, "read {files} files of {bytes} bytes: {unchanged} unchanged, {new} new, {changed} changed; ")?;
        write!(out, "{missing} missing, {unreadable} unreadable")
    }
}

#[cfg(test)]
mod tests {
    use super::Report;
    use crate::audit::Difference;
    use crate::hash::Fingerprint;
    use serde_json::json;

    #[test]
    fn a_report_counts_the_ordinary_and_names_the_rest() {
        let content = |bytes| Fingerprint { sha256: String::new(), bytes };
        let mut report = Report::default();
        report.add("a".to_owned(), Difference::Unchanged(content(1)));
        report.add("b".to_owned(), Difference::New(content(2)));
        report.add("c".to_owned(), Difference::Changed(content(4)));
        report.add("d".to_owned(), Difference::Missing);
        report.add("e".to_owned(), Difference::Unreadable { error: "refused".to_owned() });
        report.add("f".to_owned(), Difference::Passing);
        let expected = json!({
            "files": 3, "bytes": 7, "unchanged": 1, "new": 1, "changed": ["c"], "missing": ["d"],
            "unreadable": [{"path": "e", "error": "refused"}],
        });
        assert_eq!(serde_json::to_value(&report).unwrap(), expected);
    }
}
