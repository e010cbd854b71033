//! Hosts as people see them, and what people ask of them.

use super::locks::{self, Subject};
use super::rows::{instant, json, maybe_instant, number, parsed, readable};
use super::{Pool, Row, SqlStore};
use crate::domain::host::{HostProfile, Standing};
use crate::domain::timestamp::Timestamp;
use crate::store::{Drained, HostRecord, Result};
use sqlx::Row as _;

pub(super) const LISTED: &str = "select incarnations.*, \
    (select count(*) from segments where owner is not null and owner = incarnations.id) as held_segments, \
    (select cast(coalesce(sum(running_count), 0) as bigint) from segments \
      where owner is not null and owner = incarnations.id) as running \
    from incarnations where coalesce(ended_at, expires_at) >= $1 order by host_id, started_at desc, id";

pub(super) async fn all(pool: &Pool, since: Timestamp) -> Result<Vec<HostRecord>> {
    let rows = sqlx::query(LISTED).bind(since.ms()).fetch_all(pool).await?;
    Ok(readable(&rows, "incarnation", |row| {
        Ok(HostRecord {
            incarnation: parsed(row, "id")?,
            host_id: row.try_get("host_id")?,
            profile: profile(row)?,
            started_at: instant(row, "started_at")?,
            standing: Standing {
                expires_at: instant(row, "expires_at")?,
                drain_at: maybe_instant(row, "drain_at")?,
                ended_at: maybe_instant(row, "ended_at")?,
            },
            held_segments: number(row, "held_segments")?,
            running: number(row, "running")?,
        })
    }))
}

pub(super) const LIVING: &str = "select id, version, roles, labels, address from incarnations \
    where ended_at is null and expires_at >= $1 and drain_at is null";

pub(super) async fn living(pool: &Pool, now: Timestamp) -> Result<Vec<HostProfile>> {
    Ok(readable(&sqlx::query(LIVING).bind(now.ms()).fetch_all(pool).await?, "incarnation", profile))
}

fn profile(row: &Row) -> Result<HostProfile> {
    Ok(HostProfile {
        version: row.try_get("version")?,
        roles: parsed(row, "roles")?,
        labels: json(row, "labels")?,
        address: row.try_get("address")?,
    })
}

pub(super) async fn drain(store: &SqlStore, host_id: &str, now: Timestamp) -> Result<Drained> {
    let mut tx = store.begin().await?;
    // A start of the host at the same time is before or after this.
    locks::subject(&mut tx, Subject::Host(host_id)).await?;
    let drained = sqlx::query(
        "update incarnations set drain_at = coalesce(drain_at, $1) where host_id = $2 and ended_at is null",
    );
    if drained.bind(now.ms()).bind(host_id).execute(&mut *tx).await?.rows_affected() > 0 {
        tx.commit().await?;
        return Ok(Drained::Noted);
    }
    let ended: Option<i64> = sqlx::query_scalar("select max(ended_at) from incarnations where host_id = $1")
        .bind(host_id)
        .fetch_one(&mut *tx)
        .await?;
    Ok(ended.map_or(Drained::Unknown, |at| Drained::Ended(Timestamp::from_ms(at))))
}
