//! Hints to other hosts, of which there are none.

use super::SqliteStore;
use crate::domain::hint::Hint;
use crate::store::Result;

pub(super) async fn tell(_: &SqliteStore, _: &[Hint]) -> Result<()> {
    Ok(())
}

pub(super) async fn hear(_: &SqliteStore) -> Result<Vec<Hint>> {
    std::future::pending().await
}
