//! From an interval's id to one that can be worked on.

use super::active::ActiveInterval;
use super::component::{self, ComponentError};
use super::fallback::replacement;
use crate::clock::Clock;
use crate::domain::ids::{IncarnationId, IntervalId};
use crate::domain::job::DirectoryGrant;
use crate::domain::task::{Failure, FailureKind};
use crate::sandbox::{AllowedDirectories, Forbidden, GrantedDirectory, PluginSource};
use crate::store::{OpenInterval, Store, StoreError};
use std::sync::Arc;
use tracing::{error, warn};

/// Loads intervals with their pinned version and the directories that they are granted.
pub(super) struct Loader {
    pub(super) store: Arc<dyn Store>,
    pub(super) plugins: Arc<dyn PluginSource>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) allowed: AllowedDirectories,
    pub(super) owner: IncarnationId,
}

impl Loader {
    /// Loads an interval; none where it has ended, or where it cannot be run and is abandoned for that.
    pub(super) async fn load(&self, interval: IntervalId) -> Result<Option<ActiveInterval>, StoreError> {
        let open = match self.store.open_interval(interval).await {
            Err(damage @ StoreError::Unreadable { .. }) => {
                error!(interval.id = %interval, "Abandoning interval {interval}: {damage}");
                self.store.abandon(interval, &damage.to_string(), None, self.clock.now()).await?;
                return Ok(None);
            }
            open => open?,
        };
        let Some(open) = open else { return Ok(None) };
        match component::load(&*self.store, &*self.plugins, &open.digest).await {
            Ok(plugin) => {
                let directories = self.open_directories(open.work.grants.directories.clone()).await;
                let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
                Ok(Some(ActiveInterval::new(open, plugin, directories, self.owner, store, clock)))
            }
            Err(ComponentError::Store(error)) => Err(error),
            Err(error) => {
                self.abandon(&open, &error.to_string()).await?;
                Ok(None)
            }
        }
    }

    /// Closes an interval that cannot go on; one that was tracked is replaced by a run from the start.
    pub(super) async fn abandon(&self, open: &OpenInterval, reason: &str) -> Result<(), StoreError> {
        let OpenInterval { id, job, .. } = *open;
        warn!(interval.id = %id, job.id = %job, "Abandoning interval {id} of job {job}: {reason}");
        let now = self.clock.now();
        let replacement = open.is_tracked.then(|| replacement(id, job, now));
        self.store.abandon(id, reason, replacement.as_ref(), now).await
    }

    /// Opens what is granted, on a thread that may wait for the disk. What is forbidden fails every call.
    async fn open_directories(&self, grants: Vec<DirectoryGrant>) -> Result<Vec<GrantedDirectory>, Failure> {
        if grants.is_empty() {
            return Ok(Vec::new());
        }
        let allowed = self.allowed.clone();
        let open = move || grants.iter().map(|grant| allowed.open(grant)).collect::<Result<_, Forbidden>>();
        let opened = tokio::task::spawn_blocking(open).await.map_err(|error| error.to_string());
        let opened = opened.and_then(|opened| opened.map_err(|forbidden| forbidden.to_string()));
        opened.map_err(|reason| Failure { kind: FailureKind::Host, message: format!("grants.directories: {reason}") })
    }
}
