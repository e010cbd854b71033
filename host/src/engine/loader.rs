//! From an interval's id to one that can be worked on.

use super::active::{ActiveInterval, Services};
use super::checkpoints::Checkpoints;
use super::component::{self, ComponentError, NotNow};
use super::{fallback, secrets};
use crate::clock::Clock;
use crate::domain::ceilings::Ceilings;
use crate::domain::grants::{DirectoryGrant, Grants};
use crate::domain::ids::{IncarnationId, IntervalId};
use crate::domain::task::{Failure, FailureKind};
use crate::sandbox::{Allowed, Forbidden, GrantedDirectory, Network, PluginSource, Reach};
use crate::store::{OpenInterval, Store, StoreError};
use crate::vault::Vault;
use std::sync::Arc;
use tracing::error;

/// Loads intervals with their pinned version and what they are granted.
pub(super) struct Loader {
    pub(super) store: Arc<dyn Store>,
    pub(super) plugins: Arc<dyn PluginSource>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) checkpoints: Checkpoints,
    pub(super) allowed: Allowed,
    pub(super) network: Network,
    pub(super) vault: Arc<Vault>,
    pub(super) ceilings: Ceilings,
    pub(super) owner: IncarnationId,
}

impl Loader {
    /// Loads an interval; none where it has ended, or where it cannot be run and is abandoned for that.
    pub(super) async fn load(&self, interval: IntervalId) -> Result<Option<ActiveInterval>, NotNow> {
        let open = match self.store.open_interval(interval).await {
            Err(damage @ StoreError::Unreadable { .. }) => {
                self.abandon_unreadable(interval, &damage).await?;
                return Ok(None);
            }
            open => open?,
        };
        let Some(mut open) = open else { return Ok(None) };
        open.work.policy = self.ceilings.over(open.work.policy);
        match component::load(&*self.store, &*self.plugins, &open.digest).await {
            Ok(plugin) => {
                let reach = self.open(&open.workspace_id, open.work.grants.clone()).await?;
                let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
                let services = Services { store, clock, checkpoints: self.checkpoints.clone() };
                Ok(Some(ActiveInterval::new(open, plugin, reach, self.owner, services)))
            }
            Err(ComponentError::NotNow(error)) => Err(error),
            Err(error) => {
                self.abandon(&open, &error.to_string()).await?;
                Ok(None)
            }
        }
    }

    /// Loads an interval that has a plan; none also where its rows contradict each other, for which it is abandoned.
    pub(super) async fn load_planned(&self, interval: IntervalId) -> Result<Option<ActiveInterval>, NotNow> {
        let Some(loaded) = self.load(interval).await? else { return Ok(None) };
        if let Some(fault) = fallback::fault(&*self.store, interval).await? {
            self.abandon(&loaded.open, &fault).await?;
            return Ok(None);
        }
        Ok(Some(loaded))
    }

    /// Closes an interval that cannot go on; one that was tracked is replaced by a run from the start.
    pub(super) async fn abandon(&self, open: &OpenInterval, reason: &str) -> Result<(), StoreError> {
        fallback::abandon(&*self.store, open.id, open.job, reason, self.clock.now()).await
    }

    /// The same for an interval of whose rows not all can be read.
    async fn abandon_unreadable(&self, interval: IntervalId, damage: &StoreError) -> Result<(), StoreError> {
        let (now, reason) = (self.clock.now(), format!("it cannot be read any more: {damage}"));
        match self.store.interval(interval).await {
            Ok(Some(record)) => fallback::abandon(&*self.store, interval, record.job, &reason, now).await,
            Ok(None) => Ok(()),
            Err(StoreError::Unreadable { .. }) => {
                error!(interval.id = %interval, "Abandoning interval {interval}: {reason}");
                self.store.abandon(interval, &reason, None, now).await
            }
            Err(error) => Err(error),
        }
    }

    /// Opens what is granted. What is forbidden, or not there, fails every call.
    async fn open(&self, workspace: &str, grants: Grants) -> Result<Result<Reach, Failure>, StoreError> {
        let Grants { directories, http, config, secrets } = grants;
        let secrets = secrets::open(&*self.store, &self.vault, workspace, secrets).await?;
        let directories = self.open_directories(directories).await;
        let is_allowed = http.iter().try_for_each(|grant| self.allowed.http.check(grant));
        let is_allowed = is_allowed.map_err(|error| host_failure(format!("grants.http: {error}")));
        let network = self.network.clone();
        Ok(is_allowed
            .and(directories)
            .and_then(|directories| Ok(Reach { directories, http, config, secrets: secrets?, network })))
    }

    /// Opens directories, on a thread that may wait for the disk.
    async fn open_directories(&self, grants: Vec<DirectoryGrant>) -> Result<Vec<GrantedDirectory>, Failure> {
        if grants.is_empty() {
            return Ok(Vec::new());
        }
        let allowed = self.allowed.directories.clone();
        let open = move || grants.iter().map(|grant| allowed.open(grant)).collect::<Result<_, Forbidden>>();
        let opened = tokio::task::spawn_blocking(open).await.map_err(|error| error.to_string());
        let opened = opened.and_then(|opened| opened.map_err(|forbidden| forbidden.to_string()));
        opened.map_err(|reason| host_failure(format!("grants.directories: {reason}")))
    }
}

fn host_failure(message: String) -> Failure {
    Failure { kind: FailureKind::Host, message }
}
