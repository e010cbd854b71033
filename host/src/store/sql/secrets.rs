//! Sealed secrets.

use super::locks::{self, Subject};
use super::rows::{instant, json, number, parsed, to_json};
use super::{Connection, Pool, Row, SqlStore, dialect};
use crate::domain::grants::Grants;
use crate::domain::ids::JobId;
use crate::domain::secret::{KeyId, Sealed, Sealing, SecretId};
use crate::domain::timestamp::Timestamp;
use crate::store::{Resealed, Result, SecretDeletion, SecretPut, SecretRecord, SecretStore};
use async_trait::async_trait;
use sqlx::Row as _;
use std::collections::BTreeMap;

#[async_trait]
impl SecretStore for SqlStore {
    async fn put_secret(&self, secret: &SecretId, sealing: &Sealing, now: Timestamp) -> Result<SecretPut> {
        self.watched("put_secret", self.write(|| put(self, secret, sealing, now))).await
    }

    async fn secrets(&self, workspace: &str) -> Result<Vec<SecretRecord>> {
        self.watched("secrets", of_workspace(&self.reader, workspace)).await
    }

    async fn sealed_secrets(&self, workspace: &str, names: &[&str]) -> Result<BTreeMap<String, Sealed>> {
        self.watched("sealed_secrets", named(&self.reader, workspace, names)).await
    }

    async fn delete_secret(&self, secret: &SecretId) -> Result<SecretDeletion> {
        self.watched("delete_secret", self.write(|| delete(self, secret))).await
    }

    async fn secret_keys(&self) -> Result<BTreeMap<KeyId, u64>> {
        self.watched("secret_keys", keys(&self.reader)).await
    }

    async fn all_sealed_secrets(&self) -> Result<Vec<(SecretId, Sealed)>> {
        self.watched("all_sealed_secrets", all(&self.reader)).await
    }

    async fn reseal_secrets(&self, key: &KeyId, resealed: &[Resealed]) -> Result<bool> {
        self.watched("reseal_secrets", self.write(|| reseal(self, key, resealed))).await
    }
}

async fn put(store: &SqlStore, secret: &SecretId, sealing: &Sealing, now: Timestamp) -> Result<SecretPut> {
    let mut tx = store.begin().await?;
    // Which key it is kept under is decided before or after a rotation, never in the middle.
    locks::subject(&mut tx, Subject::Secrets).await?;
    let sealed = match &sealing.before_rotation {
        Some(before) if is_used(&mut tx, &before.key).await? => before,
        _ => &sealing.sealed,
    };
    let known = sqlx::query("select created_at from secrets where workspace_id = $1 and name = $2");
    let known = known.bind(dialect::text(&secret.workspace)).bind(dialect::text(&secret.name));
    let created_at = known.fetch_optional(&mut *tx).await?.map(|row| instant(&row, "created_at")).transpose()?;
    sqlx::query(
        "insert into secrets (workspace_id, name, ciphertext, key_id, created_at, updated_at) \
         values ($1, $2, $3, $4, $5, $5) on conflict (workspace_id, name) do update \
         set ciphertext = excluded.ciphertext, key_id = excluded.key_id, updated_at = excluded.updated_at",
    )
    .bind(dialect::text(&secret.workspace))
    .bind(dialect::text(&secret.name))
    .bind(&sealed.bytes)
    .bind(sealed.key.as_str())
    .bind(now.ms())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    let record = |created_at| SecretRecord { name: secret.name.clone(), created_at, updated_at: now };
    Ok(created_at.map_or_else(|| SecretPut::New(record(now)), |created_at| SecretPut::Replaced(record(created_at))))
}

async fn is_used(connection: &mut Connection, key: &KeyId) -> Result<bool> {
    let used = sqlx::query("select 1 from secrets where key_id = $1 limit 1").bind(key.as_str());
    Ok(used.fetch_optional(connection).await?.is_some())
}

async fn of_workspace(pool: &Pool, workspace: &str) -> Result<Vec<SecretRecord>> {
    let rows = sqlx::query("select name, created_at, updated_at from secrets where workspace_id = $1 order by name");
    let rows = rows.bind(dialect::text(workspace)).fetch_all(pool).await?;
    let record = |row: &Row| {
        let (created_at, updated_at) = (instant(row, "created_at")?, instant(row, "updated_at")?);
        Ok(SecretRecord { name: row.try_get("name")?, created_at, updated_at })
    };
    rows.iter().map(record).collect()
}

pub(super) const SEALED: &str =
    concat!("select name, key_id, ciphertext from secrets where workspace_id = $1 and name ", in_list!("$2"));

async fn named(pool: &Pool, workspace: &str, names: &[&str]) -> Result<BTreeMap<String, Sealed>> {
    let names: Vec<_> = names.iter().map(|name| dialect::text(name)).collect();
    let rows = sqlx::query(SEALED).bind(dialect::text(workspace)).bind(to_json(&names)).fetch_all(pool).await?;
    rows.iter().map(|row| Ok((row.try_get("name")?, sealed(row)?))).collect()
}

fn sealed(row: &Row) -> Result<Sealed> {
    Ok(Sealed { key: KeyId::new(row.try_get::<String, _>("key_id")?), bytes: row.try_get("ciphertext")? })
}

async fn delete(store: &SqlStore, secret: &SecretId) -> Result<SecretDeletion> {
    let mut tx = store.begin().await?;
    let jobs = granted(&mut tx, secret).await?;
    if !jobs.is_empty() {
        return Ok(SecretDeletion::Granted(jobs));
    }
    let deleted = sqlx::query("delete from secrets where workspace_id = $1 and name = $2")
        .bind(dialect::text(&secret.workspace))
        .bind(dialect::text(&secret.name))
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(if deleted.rows_affected() == 0 { SecretDeletion::Unknown } else { SecretDeletion::Deleted })
}

/// The jobs that are granted a secret, now or in an interval that goes on as it began.
async fn granted(connection: &mut Connection, secret: &SecretId) -> Result<Vec<(JobId, String)>> {
    let grants = sqlx::query(
        "select id, name, grants from jobs where workspace_id = $1 and is_deleted = false \
         union all select jobs.id, jobs.name, intervals.grants from intervals join jobs on jobs.id = job_id \
         where intervals.state in ('pending', 'running') and workspace_id = $1",
    );
    let mut jobs = BTreeMap::new();
    for row in &grants.bind(dialect::text(&secret.workspace)).fetch_all(connection).await? {
        // Grants that cannot be read give nothing; whoever runs the job reports them.
        let grants: Grants = json(row, "grants").unwrap_or_default();
        if grants.secrets.iter().any(|grant| grant.name == secret.name) {
            jobs.insert(parsed(row, "id")?, row.try_get("name")?);
        }
    }
    Ok(jobs.into_iter().collect())
}

async fn keys(pool: &Pool) -> Result<BTreeMap<KeyId, u64>> {
    let rows = sqlx::query("select key_id, count(*) as secrets from secrets group by key_id").fetch_all(pool).await?;
    rows.iter().map(|row| Ok((KeyId::new(row.try_get::<String, _>("key_id")?), number(row, "secrets")?))).collect()
}

async fn all(pool: &Pool) -> Result<Vec<(SecretId, Sealed)>> {
    let rows = sqlx::query("select workspace_id, name, key_id, ciphertext from secrets order by workspace_id, name");
    let rows = rows.fetch_all(pool).await?;
    let secret = |row: &Row| {
        let id = SecretId { workspace: row.try_get("workspace_id")?, name: row.try_get("name")? };
        Ok((id, sealed(row)?))
    };
    rows.iter().map(secret).collect()
}

async fn reseal(store: &SqlStore, key: &KeyId, resealed: &[Resealed]) -> Result<bool> {
    let mut tx = store.begin().await?;
    locks::subject(&mut tx, Subject::Secrets).await?;
    for Resealed { secret, was, becomes } in resealed {
        let changed = sqlx::query(
            "update secrets set ciphertext = $1, key_id = $2 \
             where workspace_id = $3 and name = $4 and ciphertext = $5",
        )
        .bind(&becomes.bytes)
        .bind(becomes.key.as_str())
        .bind(dialect::text(&secret.workspace))
        .bind(dialect::text(&secret.name))
        .bind(&was.bytes)
        .execute(&mut *tx)
        .await?;
        if changed.rows_affected() == 0 {
            return Ok(false);
        }
    }
    let others = sqlx::query("select 1 from secrets where key_id <> $1 limit 1").bind(key.as_str());
    if others.fetch_optional(&mut *tx).await?.is_some() {
        return Ok(false);
    }
    tx.commit().await?;
    Ok(true)
}
