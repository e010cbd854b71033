//! The bytes of components: in their rows or, where the host is told so, in objects that their rows name.

use super::SqlStore;
use super::plugins::{self, Place};
use crate::domain::digest::Digest;
use crate::domain::timestamp::Timestamp;
use crate::store::{ObjectError, PluginVersion, Result, Uploaded, VersionDeletion};

/// Writes an object before the row that names it. What is given up in between stays as an object that no row names:
/// where the answer to a commit is lost, nobody knows whether one does.
pub(super) async fn put(store: &SqlStore, version: &PluginVersion, wasm: &[u8]) -> Result<Uploaded> {
    let place = match &store.objects {
        Some(objects) => Place::Object(objects.put(&version.digest, wasm).await?),
        None => Place::Row(wasm.to_vec()),
    };
    let (uploaded, replaced) =
        store.watched("put_plugin", store.write(|| plugins::put(store, version, &place))).await?;
    remove_objects(store, replaced).await;
    Ok(uploaded)
}

/// Reads them from where the row says, whatever the setting is now.
pub(super) async fn get(store: &SqlStore, digest: &Digest) -> Result<Option<Vec<u8>>> {
    let mut missing = None;
    loop {
        let object = match store.watched("component", plugins::place(&store.reader, digest)).await? {
            None => return Ok(None),
            Some(Place::Row(wasm)) => return Ok(Some(wasm)),
            Some(Place::Object(object)) => object,
        };
        let Some(objects) = &store.objects else { return Err(ObjectError::NoPlace { object }.into()) };
        // An upload or a removal may have come in between: then the row says something else by now.
        if missing.as_ref() == Some(&object) {
            return Err(objects.missing(object).into());
        }
        match objects.get(&object).await? {
            Some(wasm) => return Ok(Some(wasm)),
            None => missing = Some(object),
        }
    }
}

pub(super) async fn delete(store: &SqlStore, name: &str, digest: &Digest) -> Result<VersionDeletion> {
    let (deletion, objects) =
        store.watched("delete_plugin_version", store.write(|| plugins::delete(store, name, digest))).await?;
    remove_objects(store, objects).await;
    Ok(deletion)
}

pub(super) async fn remove_unused(
    store: &SqlStore,
    superseded_before: Timestamp,
    limit: u32,
) -> Result<Vec<(String, Digest)>> {
    let remove = store.write(|| plugins::remove_unused(store, superseded_before, limit));
    let (removed, objects) = store.watched("remove_unused_versions", remove).await?;
    remove_objects(store, objects).await;
    Ok(removed)
}

/// After the rows that named them are gone.
async fn remove_objects(store: &SqlStore, names: impl IntoIterator<Item = String>) {
    let Some(objects) = &store.objects else { return };
    for name in names {
        objects.remove(&name).await;
    }
}
