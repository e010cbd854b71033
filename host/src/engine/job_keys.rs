//! Lets a call read its job's keys, and no others.

use super::waits::patiently;
use crate::clock::Clock;
use crate::domain::ids::JobId;
use crate::domain::key_quota::KeyUsage;
use crate::sandbox::{KeyReader, KeysUnavailable};
use crate::store::{Store, StoreError};
use async_trait::async_trait;
use std::sync::Arc;

/// A store that is away is waited for, within the call's own time limit: it must not cost the task an attempt.
pub(super) struct JobKeys {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) job: JobId,
}

#[async_trait]
impl KeyReader for JobKeys {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeysUnavailable> {
        patiently(&*self.clock, || self.store.key(self.job, key)).await.map_err(unavailable)
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, KeysUnavailable> {
        patiently(&*self.clock, || self.store.list_keys(self.job, prefix, after, limit)).await.map_err(unavailable)
    }

    async fn usage(&self, keys: &[String]) -> Result<KeyUsage, KeysUnavailable> {
        patiently(&*self.clock, || self.store.key_usage(self.job, keys)).await.map_err(unavailable)
    }
}

fn unavailable(error: StoreError) -> KeysUnavailable {
    KeysUnavailable(error.to_string())
}
