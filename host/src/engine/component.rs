//! From a pinned digest to a plugin that can be called.

use crate::domain::digest::Digest;
use crate::sandbox::{Callable, PluginSource, Refusal};
use crate::store::{Store, StoreError};
use std::sync::Arc;

/// Why an interval's pinned version cannot be run.
#[derive(Debug, thiserror::Error)]
pub(super) enum ComponentError {
    /// It is gone.
    #[error("the pinned version {0} of the plugin is not there any more")]
    Missing(Digest),
    /// Its bytes are not those that were uploaded.
    #[error("the pinned version {0} of the plugin is damaged: its bytes have another digest")]
    Damaged(Digest),
    /// This host cannot compile it.
    #[error("the pinned version {0} of the plugin cannot be loaded: {1}")]
    Refused(Digest, Refusal),
    /// It may be run later.
    #[error(transparent)]
    NotNow(#[from] NotNow),
}

/// Why nothing can be said about a version, or an interval, just now.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotNow {
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The host cannot compile.
    #[error(transparent)]
    Compiler(Refusal),
}

impl From<StoreError> for ComponentError {
    fn from(error: StoreError) -> Self {
        Self::NotNow(NotNow::Store(error))
    }
}

/// Loads a version, compiled at most once for each start of the host.
pub(super) async fn load(
    store: &dyn Store,
    plugins: &dyn PluginSource,
    digest: &Digest,
) -> Result<Arc<dyn Callable>, ComponentError> {
    if let Some(plugin) = plugins.loaded(digest) {
        return Ok(plugin);
    }
    let bytes = store.component(digest).await?.ok_or(ComponentError::Missing(*digest))?;
    if Digest::of(&bytes) != *digest {
        return Err(ComponentError::Damaged(*digest));
    }
    plugins.load(bytes).await.map_err(|refusal| match refusal {
        Refusal::CompilerUnavailable(_) => ComponentError::NotNow(NotNow::Compiler(refusal)),
        refusal => ComponentError::Refused(*digest, refusal),
    })
}
