//! Components and the names they have.

use super::rows::{instant, json, number, parsed, to_json};
use super::{SqliteStore, upgrade};
use crate::domain::digest::Digest;
use crate::domain::timestamp::Timestamp;
use crate::store::{PluginVersion, Result, Uploaded, VersionDeletion};
use sqlx::Row as _;
use sqlx::sqlite::{SqlitePool, SqliteRow};

pub(super) async fn put(store: &SqliteStore, version: &PluginVersion, wasm: &[u8]) -> Result<Uploaded> {
    let digest = version.digest.to_string();
    let mut tx = store.begin().await?;
    // Bytes that were damaged are whole again by the next upload.
    sqlx::query(
        "insert into components (digest, imports, wasm) values (?, ?, ?) \
         on conflict do update set wasm = excluded.wasm where wasm <> excluded.wasm",
    )
    .bind(&digest)
    .bind(to_json(&version.imports))
    .bind(wasm)
    .execute(&mut *tx)
    .await?;
    let known: bool = sqlx::query_scalar("select count(*) > 0 from plugins where name = ? and digest = ?")
        .bind(&version.name)
        .bind(&digest)
        .fetch_one(&mut *tx)
        .await?;
    // Later than every other version of the name, also where the clock stood or went back: it is the current one now.
    sqlx::query(
        "insert into plugins (name, digest, uploaded_at) values (?1, ?2, max(?3, coalesce(\
           (select max(uploaded_at) + 1 from plugins where name = ?1 and digest <> ?2), ?3))) \
         on conflict do update set uploaded_at = excluded.uploaded_at",
    )
    .bind(&version.name)
    .bind(&digest)
    .bind(version.uploaded_at.ms())
    .execute(&mut *tx)
    .await?;
    upgrade::restart(&mut tx, version).await?;
    tx.commit().await?;
    Ok(if known { Uploaded::Again } else { Uploaded::New })
}

pub(super) async fn current(pool: &SqlitePool) -> Result<Vec<PluginVersion>> {
    // SQLite answers the bare columns from the row that holds the maximum.
    let rows = sqlx::query(
        "select p.name, p.digest, max(p.uploaded_at) as uploaded_at, c.imports, length(c.wasm) as size_bytes \
         from plugins p join components c on c.digest = p.digest group by p.name order by p.name",
    );
    rows.fetch_all(pool).await?.iter().map(version).collect()
}

pub(super) async fn versions(pool: &SqlitePool, name: &str) -> Result<Vec<PluginVersion>> {
    let rows = sqlx::query(
        "select p.name, p.digest, p.uploaded_at, c.imports, length(c.wasm) as size_bytes \
         from plugins p join components c on c.digest = p.digest where p.name = ? \
         order by p.uploaded_at desc, p.digest",
    );
    rows.bind(name).fetch_all(pool).await?.iter().map(version).collect()
}

pub(super) async fn component(pool: &SqlitePool, digest: &Digest) -> Result<Option<Vec<u8>>> {
    let wasm = sqlx::query_scalar("select wasm from components where digest = ?").bind(digest.to_string());
    Ok(wasm.fetch_optional(pool).await?)
}

pub(super) async fn delete(store: &SqliteStore, name: &str, digest: &Digest) -> Result<VersionDeletion> {
    let digest = digest.to_string();
    let mut tx = store.begin().await?;
    let pinned = sqlx::query(
        "select i.id from intervals i join jobs j on j.id = i.job_id \
         where i.state in ('pending', 'running') and i.digest = ? and j.plugin = ? limit 1",
    );
    if let Some(row) = pinned.bind(&digest).bind(name).fetch_optional(&mut *tx).await? {
        return Ok(VersionDeletion::Pinned(parsed(&row, "id")?));
    }
    let deleted = sqlx::query("delete from plugins where name = ? and digest = ?")
        .bind(name)
        .bind(&digest)
        .execute(&mut *tx)
        .await?;
    sqlx::query("delete from components where digest = ? and digest not in (select digest from plugins)")
        .bind(&digest)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(if deleted.rows_affected() == 1 { VersionDeletion::Deleted } else { VersionDeletion::Unknown })
}

/// Walks the versions, which are few, and asks for each whether an interval is pinned to it.
pub(super) const REMOVE_UNUSED: &str = "delete from plugins where rowid in (\
      select old.rowid from plugins as old \
      where exists (select 1 from plugins as newer where newer.name = old.name \
        and newer.uploaded_at > old.uploaded_at and newer.uploaded_at < ?1) \
      and not exists (select 1 from intervals where intervals.digest = old.digest) limit ?2) returning name, digest";

pub(super) async fn remove_unused(
    store: &SqliteStore,
    superseded_before: Timestamp,
    limit: u32,
) -> Result<Vec<(String, Digest)>> {
    let mut tx = store.begin().await?;
    let rows = sqlx::query(REMOVE_UNUSED).bind(superseded_before.ms()).bind(limit).fetch_all(&mut *tx).await?;
    let removed =
        rows.iter().map(|row| Ok((row.try_get("name")?, parsed(row, "digest")?))).collect::<Result<Vec<_>>>()?;
    sqlx::query(
        "delete from components where rowid in (select rowid from components \
         where digest not in (select digest from plugins) and not exists (select 1 from intervals \
           where intervals.digest = components.digest and state in ('pending', 'running')) limit ?)",
    )
    .bind(limit)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(removed)
}

fn version(row: &SqliteRow) -> Result<PluginVersion> {
    Ok(PluginVersion {
        name: row.try_get("name")?,
        digest: parsed(row, "digest")?,
        size_bytes: number(row, "size_bytes")?,
        imports: json(row, "imports")?,
        uploaded_at: instant(row, "uploaded_at")?,
    })
}
