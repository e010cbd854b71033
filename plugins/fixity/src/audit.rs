//! Compares one file with what the last interval knew of it.

use crate::hash::{self, Fingerprint};
use crate::ledger;
use latchwork_sdk::{TaskError, log};
use std::{io, path::Path};

/// How a file differs from what the last interval knew of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    Unchanged(Fingerprint),
    New(Fingerprint),
    Changed(Fingerprint),
    Missing,
    Unreadable {
        error: String,
    },
    /// It came after the last interval and went before this one could look: there is nothing to tell.
    Passing,
}

/// Audits one file, and brings the ledger up to date. The ledger keeps what it knew of a file that cannot be read.
pub(crate) fn file(root: &Path, path: &str) -> Result<Difference, TaskError> {
    let difference = compare(hash::fingerprint(&root.join(path)), ledger::get(path)?);
    match &difference {
        Difference::New(found) => ledger::set(path, found.clone())?,
        Difference::Changed(found) => {
            log::warn!("changed: {path}");
            ledger::set(path, found.clone())?;
        }
        Difference::Missing => {
            log::warn!("missing: {path}");
            ledger::delete(path)?;
        }
        Difference::Unreadable { error } => log::warn!("unreadable: {path}: {error}"),
        Difference::Unchanged(_) | Difference::Passing => {}
    }
    Ok(difference)
}

fn compare(found: io::Result<Option<Fingerprint>>, known: Option<Fingerprint>) -> Difference {
    match (found, known) {
        (Err(error), _) => Difference::Unreadable { error: error.to_string() },
        (Ok(Some(found)), None) => Difference::New(found),
        (Ok(Some(found)), Some(known)) if found == known => Difference::Unchanged(found),
        (Ok(Some(found)), Some(_)) => Difference::Changed(found),
        (Ok(None), Some(_)) => Difference::Missing,
        (Ok(None), None) => Difference::Passing,
    }
}

#[cfg(test)]
mod tests {
    use super::{Difference, compare};
    use crate::hash::Fingerprint;
    use std::io;

    fn content(sha256: &str) -> Option<Fingerprint> {
        Some(Fingerprint { sha256: sha256.to_owned(), bytes: 1 })
    }

    #[test]
    fn a_file_is_compared_with_what_the_last_interval_knew() {
        let a = content("a").unwrap();
        assert_eq!(compare(Ok(content("a")), None), Difference::New(a.clone()));
        assert_eq!(compare(Ok(content("a")), content("a")), Difference::Unchanged(a.clone()));
        assert_eq!(compare(Ok(content("a")), content("b")), Difference::Changed(a));
        assert_eq!(compare(Ok(None), content("a")), Difference::Missing);
        assert_eq!(compare(Ok(None), None), Difference::Passing);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_not_missing() {
        let refused = || Err(io::Error::other("refused"));
        let unreadable = || Difference::Unreadable { error: "refused".to_owned() };
        assert_eq!(compare(refused(), content("a")), unreadable());
        assert_eq!(compare(refused(), None), unreadable());
    }
}
