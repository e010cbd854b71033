//! Lets a call read its job's keys, and no others.

use crate::domain::ids::JobId;
use crate::domain::key_quota::KeyUsage;
use crate::sandbox::{KeyReader, KeysUnavailable};
use crate::store::{Store, StoreError};
use async_trait::async_trait;
use std::sync::Arc;

pub(super) struct JobKeys {
    pub(super) store: Arc<dyn Store>,
    pub(super) job: JobId,
}

#[async_trait]
impl KeyReader for JobKeys {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeysUnavailable> {
        self.store.key(self.job, key).await.map_err(unavailable)
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, KeysUnavailable> {
        self.store.list_keys(self.job, prefix, after, limit).await.map_err(unavailable)
    }

    async fn usage(&self, keys: &[String]) -> Result<KeyUsage, KeysUnavailable> {
        self.store.key_usage(self.job, keys).await.map_err(unavailable)
    }
}

fn unavailable(error: StoreError) -> KeysUnavailable {
    KeysUnavailable(error.to_string())
}
