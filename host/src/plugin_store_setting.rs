//! Where the bytes of plugins are kept, as `LATCHWORK_PLUGIN_STORE` says it.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;
use std::str::FromStr;

/// What `LATCHWORK_PLUGIN_STORE` takes.
pub const TAKES: &str = "database, file:///DIRECTORY or s3://BUCKET/PREFIX";

/// A place for the bytes of plugins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PluginStore {
    /// Beside their rows.
    #[default]
    Database,
    /// A directory that all hosts share.
    Directory(PathBuf),
    /// A bucket of an S3-compatible store.
    Bucket {
        /// Its name.
        name: String,
        /// What all names of objects begin with; may be empty.
        prefix: String,
    },
}

impl FromStr for PluginStore {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text == "database" {
            return Ok(Self::Database);
        }
        if let Some(path) = text.strip_prefix("file://") {
            return if path.starts_with('/') { Ok(Self::Directory(path.into())) } else { Err(()) };
        }
        let (name, prefix) =
            text.strip_prefix("s3://").map(|rest| rest.split_once('/').unwrap_or((rest, ""))).ok_or(())?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let is_sound = !name.is_empty() && name.chars().all(is_name) && !prefix.contains(['?', '#']);
        let prefix = prefix.trim_end_matches('/').to_owned();
        if is_sound { Ok(Self::Bucket { name: name.to_owned(), prefix }) } else { Err(()) }
    }
}

impl Display for PluginStore {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database => write!(out, "database"),
            Self::Directory(path) => write!(out, "file://{}", path.display()),
            Self::Bucket { name, prefix } => write!(out, "s3://{name}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        for text in ["database", "file:///srv/plugins", "s3://bucket/", "s3://bucket/some/prefix"] {
            assert_eq!(text.parse::<PluginStore>().map(|place| place.to_string()).as_deref(), Ok(text));
        }
        let bucket = PluginStore::Bucket { name: "bucket".to_owned(), prefix: "plugins".to_owned() };
        assert_eq!("s3://bucket/plugins/".parse(), Ok(bucket));
    }

    #[test]
    fn what_names_no_place_is_refused() {
        for text in
            ["", "sqlite", "file://plugins", "/srv/plugins", "s3://", "s3:///prefix", "s3://me@host/x", "s3://b/x?y"]
        {
            assert_eq!(text.parse::<PluginStore>(), Err(()), "{text}");
        }
    }
}
