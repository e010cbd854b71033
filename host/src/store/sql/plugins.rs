//! Components and the names they have.

use super::locks::{self, Subject};
use super::rows::{instant, json, number, parsed, to_json};
use super::{Pool, Row, SqlStore, upgrade};
use crate::domain::digest::Digest;
use crate::domain::timestamp::Timestamp;
use crate::store::{PluginVersion, Result, Uploaded, VersionDeletion};
use sqlx::Row as _;

/// Where the bytes of a component are.
pub(super) enum Place {
    /// In the row.
    Row(Vec<u8>),
    /// In the object of this name.
    Object(String),
}

/// Also answers with the object that was named before, and is not any more.
pub(super) async fn put(
    store: &SqlStore,
    version: &PluginVersion,
    place: &Place,
) -> Result<(Uploaded, Option<String>)> {
    let digest = version.digest.to_string();
    let (wasm, object) = match place {
        Place::Row(wasm) => (Some(wasm.as_slice()), None),
        Place::Object(name) => (None, Some(name.as_str())),
    };
    let mut tx = store.begin().await?;
    locks::subject(&mut tx, Subject::Versions).await?;
    let replaced: Option<String> = sqlx::query_scalar("select object from components where digest = $1")
        .bind(&digest)
        .fetch_optional(&mut *tx)
        .await?
        .flatten();
    // Bytes that were damaged are whole again by the next upload.
    sqlx::query(
        "insert into components (digest, imports, size_bytes, object, wasm) values ($1, $2, $3, $4, $5) \
         on conflict (digest) do update \
         set size_bytes = excluded.size_bytes, object = excluded.object, wasm = excluded.wasm \
         where excluded.object is not null or components.wasm is null or components.wasm <> excluded.wasm",
    )
    .bind(&digest)
    .bind(to_json(&version.imports))
    .bind(version.size_bytes.cast_signed())
    .bind(object)
    .bind(wasm)
    .execute(&mut *tx)
    .await?;
    let known: bool = sqlx::query_scalar("select count(*) > 0 from plugins where name = $1 and digest = $2")
        .bind(&version.name)
        .bind(&digest)
        .fetch_one(&mut *tx)
        .await?;
    // Later than every other version of the name, also where the clock stood or went back: it is the current one now.
    sqlx::query(concat!(
        "insert into plugins (name, digest, uploaded_at) values ($1, $2, ",
        larger!(),
        "($3, coalesce((select max(uploaded_at) + 1 from plugins where name = $1 and digest <> $2), $3))) \
         on conflict (name, digest) do update set uploaded_at = excluded.uploaded_at"
    ))
    .bind(&version.name)
    .bind(&digest)
    .bind(version.uploaded_at.ms())
    .execute(&mut *tx)
    .await?;
    upgrade::restart(&mut tx, version).await?;
    tx.commit().await?;
    Ok((if known { Uploaded::Again } else { Uploaded::New }, replaced))
}

pub(super) async fn current(pool: &Pool) -> Result<Vec<PluginVersion>> {
    let rows = sqlx::query(
        "select p.name, p.digest, p.uploaded_at, c.imports, c.size_bytes \
         from plugins p join components c on c.digest = p.digest \
         where p.uploaded_at = (select max(uploaded_at) from plugins where name = p.name) order by p.name",
    );
    rows.fetch_all(pool).await?.iter().map(version).collect()
}

pub(super) async fn versions(pool: &Pool, name: &str) -> Result<Vec<PluginVersion>> {
    let rows = sqlx::query(
        "select p.name, p.digest, p.uploaded_at, c.imports, c.size_bytes \
         from plugins p join components c on c.digest = p.digest where p.name = $1 \
         order by p.uploaded_at desc, p.digest",
    );
    rows.bind(name).fetch_all(pool).await?.iter().map(version).collect()
}

pub(super) async fn place(pool: &Pool, digest: &Digest) -> Result<Option<Place>> {
    let row = sqlx::query("select object, wasm from components where digest = $1").bind(digest.to_string());
    let Some(row) = row.fetch_optional(pool).await? else { return Ok(None) };
    Ok(Some(match row.try_get("object")? {
        Some(name) => Place::Object(name),
        None => Place::Row(row.try_get("wasm")?),
    }))
}

/// Also answers with the object that was named.
pub(super) async fn delete(store: &SqlStore, name: &str, digest: &Digest) -> Result<(VersionDeletion, Option<String>)> {
    let digest = digest.to_string();
    let mut tx = store.begin().await?;
    locks::subject(&mut tx, Subject::Versions).await?;
    // Whoever fires one of them pins its interval first, or finds the version gone.
    locks::jobs_on(&mut tx, name).await?;
    let pinned = sqlx::query(
        "select i.id from intervals i join jobs j on j.id = i.job_id \
         where i.state in ('pending', 'running') and i.digest = $1 and j.plugin = $2 limit 1",
    );
    if let Some(row) = pinned.bind(&digest).bind(name).fetch_optional(&mut *tx).await? {
        return Ok((VersionDeletion::Pinned(parsed(&row, "id")?), None));
    }
    let deleted = sqlx::query("delete from plugins where name = $1 and digest = $2")
        .bind(name)
        .bind(&digest)
        .execute(&mut *tx)
        .await?;
    let object: Option<Option<String>> = sqlx::query_scalar(
        "delete from components where digest = $1 and digest not in (select digest from plugins) returning object",
    )
    .bind(&digest)
    .fetch_optional(&mut *tx)
    .await?;
    tx.commit().await?;
    let was_there = deleted.rows_affected() == 1;
    Ok((if was_there { VersionDeletion::Deleted } else { VersionDeletion::Unknown }, object.flatten()))
}

/// Walks the versions, which are few, and asks for each whether an interval is pinned to it.
pub(super) const REMOVE_UNUSED: &str = "delete from plugins where (name, digest) in (\
      select superseded.name, superseded.digest from plugins as superseded \
      where exists (select 1 from plugins as newer where newer.name = superseded.name \
        and newer.uploaded_at > superseded.uploaded_at and newer.uploaded_at < $1) \
      and not exists (select 1 from intervals where intervals.digest = superseded.digest) limit $2) \
    returning name, digest";

/// Also answers with the objects that were named.
pub(super) async fn remove_unused(
    store: &SqlStore,
    superseded_before: Timestamp,
    limit: u32,
) -> Result<(Vec<(String, Digest)>, Vec<String>)> {
    let mut tx = store.begin().await?;
    locks::subject(&mut tx, Subject::Versions).await?;
    let rows =
        sqlx::query(REMOVE_UNUSED).bind(superseded_before.ms()).bind(i64::from(limit)).fetch_all(&mut *tx).await?;
    let removed =
        rows.iter().map(|row| Ok((row.try_get("name")?, parsed(row, "digest")?))).collect::<Result<Vec<_>>>()?;
    let objects: Vec<Option<String>> = sqlx::query_scalar(
        "delete from components where digest in (select digest from components \
         where digest not in (select digest from plugins) and not exists (select 1 from intervals \
           where intervals.digest = components.digest and state in ('pending', 'running')) limit $1) \
         returning object",
    )
    .bind(i64::from(limit))
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok((removed, objects.into_iter().flatten().collect()))
}

fn version(row: &Row) -> Result<PluginVersion> {
    Ok(PluginVersion {
        name: row.try_get("name")?,
        digest: parsed(row, "digest")?,
        size_bytes: number(row, "size_bytes")?,
        imports: json(row, "imports")?,
        uploaded_at: instant(row, "uploaded_at")?,
    })
}
