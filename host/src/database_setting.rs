//! Which database `DATABASE_URL` names.

use std::fmt::{self, Debug, Display, Formatter};
use std::path::{Path, PathBuf};

/// What `DATABASE_URL` takes.
pub const TAKES: &str = "sqlite:PATH with the path of a file and no `?` parameters, or \
    postgres://USER:PASSWORD@HOST/DATABASE";

/// A database.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// A file, for one host.
    Sqlite(PathBuf),
    /// A server, for any number of hosts.
    Postgres {
        /// Where it is, and how one gets in.
        url: String,
        /// How many connections this host opens at most.
        connections_max: u32,
    },
}

impl Database {
    /// What a URL names; none where it is neither kind.
    pub fn parse(url: &str, connections_max: u32) -> Option<Self> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            let is_file = !path.is_empty() && !path.contains(":memory:") && !path.contains('?');
            return is_file.then(|| Self::Sqlite(path.into()));
        }
        let is_postgres = ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
        is_postgres.then(|| Self::Postgres { url: url.to_owned(), connections_max })
    }

    /// The file in the data directory, where nothing else is said.
    pub fn within(data_dir: &Path) -> Self {
        Self::Sqlite(data_dir.join("latchwork.db"))
    }
}

impl Display for Database {
    /// Without a password.
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(out, "{}", path.display()),
            Self::Postgres { url, .. } => {
                let (_, address) = url.split_once("://").unwrap_or(("", url));
                let (address, parameters) = address.split_once('?').unwrap_or((address, ""));
                if parameters.contains('@') {
                    // The `?` may be a password's, or a parameter a password: neither is to be seen.
                    return write!(out, "postgres://…");
                }
                write!(out, "postgres://{}", address.rsplit_once('@').map_or(address, |(_, host)| host))
            }
        }
    }
}

impl Debug for Database {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_file_or_a_server() {
        for (url, path) in [("sqlite:a.db", "a.db"), ("sqlite:///var/a.db", "/var/a.db")] {
            assert_eq!(Database::parse(url, 1), Some(Database::Sqlite(path.into())));
        }
        for url in ["postgres://db/x", "postgresql://me@db/x"] {
            assert_eq!(Database::parse(url, 7), Some(Database::Postgres { url: url.to_owned(), connections_max: 7 }));
        }
        for url in ["", "sqlite:", "sqlite::memory:", "sqlite:a.db?mode=rw", "mysql://db/x", "postgres:db"] {
            assert_eq!(Database::parse(url, 1), None, "{url}");
        }
    }

    #[test]
    fn what_is_shown_of_a_server_is_no_password() {
        let database = Database::parse("postgres://me:p@ss@db:5432/x?password=secret", 1).unwrap();
        assert_eq!(
            (database.to_string(), format!("{database:?}")),
            ("postgres://db:5432/x".into(), "postgres://db:5432/x".into())
        );
        for unclear in ["postgres://me:p?ss@db/x", "postgres://db/x?password=p@ss"] {
            let shown = Database::parse(unclear, 1).unwrap().to_string();
            assert_eq!(shown, "postgres://…", "{unclear}");
        }
    }
}
