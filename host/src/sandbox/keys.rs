//! The job's keys as one call sees them: what is kept, under what the call itself wrote.

use super::bindings::types::HostError;
use super::limits::{KEY_BYTES_MAX, KEY_WRITE_BYTES, KEY_WRITES_BYTES_MAX, KEYS_PAGE_MAX, VALUE_BYTES_MAX};
use crate::domain::key_quota::{self, KeyUsage};
use crate::domain::task::KeyWrites;
use async_trait::async_trait;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

/// Reads a job's keys where they are kept.
#[async_trait]
pub trait KeyReader: Send + Sync {
    /// The value of a key, if it has one.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeysUnavailable>;

    /// At most `limit` keys that begin with `prefix` and come after `after`, in the order of their bytes.
    async fn list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, KeysUnavailable>;

    /// What all keys take, and what these among them take.
    async fn usage(&self, keys: &[String]) -> Result<KeyUsage, KeysUnavailable>;
}

/// The keys cannot be read just now.
#[derive(Debug, thiserror::Error)]
#[error("the job's keys cannot be read just now: {0}")]
pub struct KeysUnavailable(pub String);

/// One call's view.
pub(super) struct KeyOverlay {
    kept: Arc<dyn KeyReader>,
    writes: KeyWrites,
    /// What all writes cost the host, also those that later ones replaced.
    written_bytes: usize,
    quota: Quota,
}

/// How far the call's writes use up what the job's keys may take.
///
/// The record of the task's completion decides, as other tasks write, too; this lets a call know early that it alone
/// asks for too much. What kept keys take is asked for only when it matters.
struct Quota {
    bytes_max: u64,
    /// What the values that the call has written take, with their keys.
    written: u64,
    /// What all kept keys take; none before the first write.
    kept: Option<u64>,
    /// What those kept keys take that the call has written, as far as they have been measured.
    replaced: u64,
    /// Keys that the call has written and whose kept values have not been measured.
    unmeasured: Vec<String>,
}

impl Quota {
    fn of(bytes_max: u64) -> Self {
        Self { bytes_max, written: 0, kept: None, replaced: 0, unmeasured: Vec::new() }
    }
}

impl KeyOverlay {
    pub(super) fn new(kept: Arc<dyn KeyReader>, bytes_max: u64) -> Self {
        Self { kept, writes: KeyWrites::new(), written_bytes: 0, quota: Quota::of(bytes_max) }
    }

    /// Forgets what an earlier call has written and measured.
    pub(super) fn begin_call(&mut self) {
        (self.writes, self.written_bytes, self.quota) = (KeyWrites::new(), 0, Quota::of(self.quota.bytes_max));
    }

    /// What the call wrote.
    pub(super) fn take_writes(&mut self) -> KeyWrites {
        std::mem::take(&mut self.writes)
    }

    pub(super) async fn get(&self, key: String) -> Result<Option<Vec<u8>>, HostError> {
        check_key(&key)?;
        match self.writes.get(&key) {
            Some(written) => Ok(written.clone()),
            None => self.kept.get(&key).await.map_err(unavailable),
        }
    }

    pub(super) async fn set(&mut self, key: String, value: Vec<u8>) -> Result<(), HostError> {
        check_key(&key)?;
        if value.len() > VALUE_BYTES_MAX {
            let found = value.len();
            return Err(HostError::LimitExceeded(format!("a value has at most {VALUE_BYTES_MAX} bytes, not {found}")));
        }
        self.check_quota(&key, &value).await?;
        self.write(key, Some(value))
    }

    pub(super) fn delete(&mut self, key: String) -> Result<(), HostError> {
        check_key(&key)?;
        self.write(key, None)
    }

    fn write(&mut self, key: String, value: Option<Vec<u8>>) -> Result<(), HostError> {
        self.written_bytes += key.len() + value.as_ref().map_or(0, Vec::len) + KEY_WRITE_BYTES;
        if self.written_bytes > KEY_WRITES_BYTES_MAX {
            let message = format!("one call writes at most {KEY_WRITES_BYTES_MAX} bytes to keys");
            return Err(HostError::LimitExceeded(message));
        }
        self.quota.written += value.as_ref().map_or(0, |value| key_quota::size(&key, value));
        match self.writes.get(&key) {
            Some(before) => self.quota.written -= before.as_ref().map_or(0, |value| key_quota::size(&key, value)),
            None => self.quota.unmeasured.push(key.clone()),
        }
        self.writes.insert(key, value);
        Ok(())
    }

    /// Refuses a value with which the call's writes alone would exceed what the job's keys may take.
    async fn check_quota(&mut self, key: &str, value: &[u8]) -> Result<(), HostError> {
        let before = self.writes.get(key);
        let is_new = before.is_none();
        let own = before.and_then(Option::as_ref).map_or(0, |value| key_quota::size(key, value));
        let written = self.quota.written - own + key_quota::size(key, value);
        let total = match self.quota.kept {
            Some(kept) => kept,
            None => self.kept.usage(&[]).await.map_err(unavailable)?.total,
        };
        self.quota.kept = Some(total);
        if total.saturating_add(written) <= self.quota.bytes_max {
            return Ok(());
        }
        // It still fits where it takes the place of what is there.
        let measured = self.kept.usage(&self.quota.unmeasured).await.map_err(unavailable)?;
        self.quota.replaced += measured.replaced;
        self.quota.unmeasured.clear();
        let of_key = if is_new { self.kept.usage(&[key.to_owned()]).await.map_err(unavailable)?.replaced } else { 0 };
        let usage = KeyUsage { total, replaced: self.quota.replaced + of_key };
        let fits = usage.after(written, self.quota.bytes_max);
        fits.map(drop).map_err(|over| HostError::LimitExceeded(over.to_string()))
    }

    pub(super) async fn list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, HostError> {
        if limit > KEYS_PAGE_MAX {
            return Err(HostError::LimitExceeded(format!("a page of keys has at most {KEYS_PAGE_MAX}, not {limit}")));
        }
        let from = after.map_or(Bound::Included(prefix), |after| Bound::Excluded(after.max(prefix)));
        let from = if after.is_some_and(|after| after < prefix) { Bound::Included(prefix) } else { from };
        let own: Vec<_> =
            self.writes.range::<str, _>((from, Bound::Unbounded)).filter(|(key, _)| key.starts_with(prefix)).collect();
        // Each own write can hide at most one kept key, so that many more are enough to fill the page.
        let hidden = u32::try_from(own.len()).unwrap_or(u32::MAX);
        let kept = self.kept.list(prefix, after, limit.saturating_add(hidden)).await.map_err(unavailable)?;
        let mut page: BTreeSet<String> = kept.into_iter().collect();
        for (key, value) in own {
            if value.is_some() {
                page.insert(key.clone());
            } else {
                page.remove(key);
            }
        }
        Ok(page.into_iter().take(limit as usize).collect())
    }
}

fn check_key(key: &str) -> Result<(), HostError> {
    if (1..=KEY_BYTES_MAX).contains(&key.len()) {
        return Ok(());
    }
    let found = key.len();
    Err(HostError::LimitExceeded(format!("a key has 1 to {KEY_BYTES_MAX} bytes, not {found}")))
}

fn unavailable(error: KeysUnavailable) -> HostError {
    HostError::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    struct Kept(BTreeMap<String, Vec<u8>>);

    #[async_trait]
    impl KeyReader for Kept {
        async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeysUnavailable> {
            Ok(self.0.get(key).cloned())
        }

        async fn list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, KeysUnavailable> {
            let keys =
                self.0.keys().filter(|key| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after));
            Ok(keys.take(limit as usize).cloned().collect())
        }

        async fn usage(&self, keys: &[String]) -> Result<KeyUsage, KeysUnavailable> {
            let size = |(key, value): (&String, &Vec<u8>)| key_quota::size(key, value);
            let replaced = keys.iter().filter_map(|key| self.0.get_key_value(key)).map(size).sum();
            Ok(KeyUsage { total: self.0.iter().map(size).sum(), replaced })
        }
    }

    fn overlay_on(keys: &[&str]) -> KeyOverlay {
        overlay_with(keys, u64::MAX)
    }

    /// Every key has its own name as its value.
    fn overlay_with(keys: &[&str], bytes_max: u64) -> KeyOverlay {
        KeyOverlay::new(Arc::new(Kept(keys.iter().map(|&key| (key.to_owned(), key.into())).collect())), bytes_max)
    }

    #[tokio::test]
    async fn a_call_sees_its_own_writes_over_what_is_kept() {
        let mut keys = overlay_on(&["a", "b"]);
        keys.set("a".into(), b"mine".into()).await.unwrap();
        keys.delete("b".into()).unwrap();
        assert_eq!(keys.get("a".into()).await.unwrap(), Some(b"mine".into()));
        assert_eq!(keys.get("b".into()).await.unwrap(), None);
    }

    #[tokio::test]
    async fn pages_join_kept_and_own_keys_in_order() {
        let mut keys = overlay_on(&["k/a", "k/b", "k/d", "k/e", "other"]);
        keys.set("k/c".into(), vec![]).await.unwrap();
        keys.delete("k/a".into()).unwrap();
        let first = keys.list("k/", None, 2).await.unwrap();
        assert_eq!(first, ["k/b", "k/c"]);
        let rest = keys.list("k/", Some("k/c"), 10).await.unwrap();
        assert_eq!(rest, ["k/d", "k/e"]);
    }

    #[tokio::test]
    async fn limits_name_themselves() {
        let mut keys = overlay_on(&[]);
        let error = keys.set("k".into(), vec![0; VALUE_BYTES_MAX + 1]).await.unwrap_err();
        assert!(matches!(error, HostError::LimitExceeded(text) if text.contains("1048576")));
        assert!(keys.set(String::new(), vec![]).await.is_err());
    }

    #[tokio::test]
    async fn a_call_that_alone_asks_for_more_than_is_left_learns_it_at_once() {
        // `aa` and `bb` take 8 bytes.
        let mut keys = overlay_with(&["aa", "bb"], 20);
        keys.set("c".into(), vec![0; 11]).await.unwrap();
        let error = keys.set("d".into(), vec![]).await.unwrap_err();
        assert!(
            matches!(error, HostError::LimitExceeded(text) if text.contains("21 bytes") && text.contains("take 20"))
        );
        assert_eq!(keys.get("d".into()).await.unwrap(), None, "what was refused is not written");
        keys.set("c".into(), vec![0; 10]).await.unwrap();
        keys.set("d".into(), vec![]).await.unwrap();
        assert_eq!(keys.take_writes().len(), 2);
    }

    #[tokio::test]
    async fn what_takes_the_place_of_kept_values_is_not_refused() {
        let mut keys = overlay_with(&["aa", "bb"], 8);
        keys.set("aa".into(), vec![1, 2]).await.unwrap();
        keys.set("bb".into(), vec![1, 2]).await.unwrap();
        assert!(keys.set("bb".into(), vec![1, 2, 3]).await.is_err());
        keys.delete("aa".into()).unwrap();
        keys.set("bb".into(), vec![1, 2, 3]).await.unwrap();
        keys.set("cc".into(), vec![7]).await.unwrap();
        assert!(keys.set("d".into(), vec![]).await.is_err(), "the freed room is used up");
    }
}
