//! The bytes of plugins outside of the database: in a directory, or in a bucket of an S3-compatible store.
//!
//! An object's name is in the row of its component, and no two writes have the same: whatever is written or removed,
//! nobody else's bytes are touched. An object is written before the row that names it and removed after that, so a crash
//! leaves at most one that no row names, which is harmless.

mod http;

use crate::domain::digest::Digest;
use http::Connector;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Location;
use object_store::prefix::PrefixStore;
use object_store::{Error, ObjectStore, ObjectStoreExt as _, RetryConfig};
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tracing::warn;
use uuid::Uuid;

/// How often a request is made again, and for how long: whoever asks tries again later, too.
const RETRIES_MAX: usize = 3;
const RETRIES_FOR: Duration = Duration::from_secs(30);

/// A place for objects.
#[derive(Debug, Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    /// What the setting says of it.
    place: Arc<str>,
}

/// Why the bytes of a plugin are not there.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The place cannot be used at all.
    #[error("{place}: {source}")]
    Unusable {
        /// Which.
        place: String,
        /// Why.
        source: Error,
    },
    /// It did not do what it was asked for; it may later.
    #[error("the plugin store {place} does not answer: {source}")]
    Unavailable {
        /// Which.
        place: String,
        /// Why.
        source: Error,
    },
    /// A row names an object that is not in this place.
    #[error(
        "{object} is not in the plugin store {place}: set LATCHWORK_PLUGIN_STORE to where the plugin was uploaded to, or \
         upload it again"
    )]
    Missing {
        /// Which place.
        place: String,
        /// Which object.
        object: String,
    },
    /// A row names an object, and this host knows of no place for any.
    #[error(
        "{object} lies in a plugin store outside of the database: set LATCHWORK_PLUGIN_STORE to where the plugin was \
         uploaded to, or upload it again"
    )]
    NoPlace {
        /// Which object.
        object: String,
    },
}

impl Objects {
    /// Those in a directory, which is made where it is not there.
    pub fn in_directory(directory: &Path) -> Result<Self, ObjectError> {
        let place = format!("file://{}", directory.display());
        let opened = std::fs::create_dir_all(directory)
            .map_err(|source| Error::Generic { store: "directory", source: source.into() })
            // What is answered as written has reached the disk, as in the database.
            .and_then(|()| Ok(LocalFileSystem::new_with_prefix(directory)?.with_fsync(true)));
        match opened {
            Ok(store) => Ok(Self { store: Arc::new(store), place: place.into() }),
            Err(source) => Err(ObjectError::Unusable { place, source }),
        }
    }

    /// Those in a bucket, all of their names below a prefix. Where it is and how one gets in is said by the `AWS_…`
    /// variables that every client of S3 reads.
    pub fn in_bucket(bucket: &str, prefix: &str) -> Result<Self, ObjectError> {
        let place = format!("s3://{bucket}/{prefix}");
        let retry = RetryConfig { max_retries: RETRIES_MAX, retry_timeout: RETRIES_FOR, ..RetryConfig::default() };
        let built = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_http_connector(Connector)
            .with_retry(retry)
            // Not every store that speaks S3 removes many at once, and one at a time is all that is needed.
            .with_disable_bulk_delete(true)
            .build();
        match built {
            Ok(store) => Ok(Self { store: Arc::new(PrefixStore::new(store, prefix)), place: place.into() }),
            Err(source) => Err(ObjectError::Unusable { place, source }),
        }
    }

    /// Writes a component's bytes, and answers with the name of their object.
    pub(super) async fn put(&self, component: &Digest, wasm: &[u8]) -> Result<String, ObjectError> {
        let name = format!("{component}.{}.wasm", Uuid::now_v7());
        let written = self.store.put(&Location::from(name.as_str()), wasm.to_vec().into()).await;
        written.map_err(|source| self.unavailable(source))?;
        Ok(name)
    }

    /// The bytes of an object; none where there is no such object.
    pub(super) async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, ObjectError> {
        let read = async { self.store.get(&Location::from(name)).await?.bytes().await };
        match read.await {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(self.unavailable(source)),
        }
    }

    /// Removes an object that no row names any more. One that stays takes room, and nothing else.
    pub(super) async fn remove(&self, name: &str) {
        match self.store.delete(&Location::from(name)).await {
            Ok(()) | Err(Error::NotFound { .. }) => {}
            Err(error) => warn!("{name} stays in the plugin store {}, and nobody needs it: {error}", self.place),
        }
    }

    pub(super) fn missing(&self, object: impl Display) -> ObjectError {
        ObjectError::Missing { place: self.place.to_string(), object: object.to_string() }
    }

    fn unavailable(&self, source: Error) -> ObjectError {
        ObjectError::Unavailable { place: self.place.to_string(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_written_is_read_and_each_write_stands_by_itself() {
        let files = tempfile::TempDir::new().unwrap();
        let objects = Objects::in_directory(&files.path().join("new")).unwrap();
        let digest = Digest::of(b"a component");
        let [first, second] = [objects.put(&digest, b"a component").await, objects.put(&digest, b"").await];
        let [first, second] = [first.unwrap(), second.unwrap()];
        objects.remove(&second).await;
        objects.remove(&second).await;
        assert_eq!(objects.get(&first).await.unwrap().as_deref(), Some(&b"a component"[..]));
        assert_eq!(objects.get(&second).await.unwrap(), None);
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Objects::in_directory(&file.path().join("below")).unwrap_err().to_string();
        assert!(error.contains(&file.path().display().to_string()), "{error}");
    }
}
