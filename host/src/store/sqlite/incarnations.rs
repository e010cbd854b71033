//! Starts, heartbeats and ends of hosts.

use super::SqliteStore;
use crate::domain::ids::IncarnationId;
use crate::domain::lease::LEASE_FOR;
use crate::domain::timestamp::Timestamp;
use crate::store::{Incarnation, Result, StoreError};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqlitePool;

pub(super) const COUNT_DUPLICATES: &str = "update intervals set duplicates = duplicates + held.running from \
    (select interval_id, sum(running_count) as running from segments where owner = ? group by interval_id) as held \
    where intervals.id = held.interval_id and is_tracked";

pub(super) const FREE_SEGMENTS: &str = "update segments \
    set state = 'free', owner = null, running = x'', running_count = 0 \
    where owner = ? and exists (select 1 from intervals where id = segments.interval_id and is_tracked)";

pub(super) const FREE_PLANS: &str = "update intervals set owner = null \
    where state in ('pending', 'running') and state = 'pending' and owner = ?";

pub(super) async fn begin(store: &SqliteStore, incarnation: &Incarnation) -> Result<()> {
    let Incarnation { id, host_id, started_at } = incarnation;
    let mut tx = store.begin().await?;
    sqlx::query("update incarnations set ended_at = ? where host_id = ? and ended_at is null")
        .bind(started_at.ms())
        .bind(host_id)
        .execute(&mut *tx)
        .await?;
    sqlx::query("insert into incarnations (id, host_id, started_at, expires_at) values (?, ?, ?, ?)")
        .bind(id.to_string())
        .bind(host_id)
        .bind(started_at.ms())
        .bind((*started_at + LEASE_FOR).ms())
        .execute(&mut *tx)
        .await?;
    Ok(tx.commit().await?)
}

pub(super) async fn renew(store: &SqliteStore, incarnation: IncarnationId, now: Timestamp) -> Result<()> {
    let renewed = sqlx::query("update incarnations set expires_at = ? where id = ? and ended_at is null")
        .bind((now + LEASE_FOR).ms())
        .bind(incarnation.to_string())
        .execute(&store.writer)
        .await?;
    if renewed.rows_affected() == 1 { Ok(()) } else { Err(StoreError::LeaseLost(incarnation)) }
}

pub(super) async fn end(store: &SqliteStore, incarnation: IncarnationId, now: Timestamp) -> Result<()> {
    let id = incarnation.to_string();
    let mut tx = store.begin().await?;
    sqlx::query("update incarnations set ended_at = ? where id = ? and ended_at is null")
        .bind(now.ms())
        .bind(&id)
        .execute(&mut *tx)
        .await?;
    for statement in [COUNT_DUPLICATES, FREE_SEGMENTS, FREE_PLANS] {
        sqlx::query(statement).bind(&id).execute(&mut *tx).await?;
    }
    Ok(tx.commit().await?)
}

/// Whether an incarnation has not ended and its lease has not run out.
pub(super) async fn is_alive(
    connection: &mut SqliteConnection,
    incarnation: IncarnationId,
    now: Timestamp,
) -> Result<bool> {
    let alive = sqlx::query("select id from incarnations where id = ? and ended_at is null and expires_at >= ?");
    let alive = alive.bind(incarnation.to_string()).bind(now.ms()).fetch_optional(connection).await?;
    Ok(alive.is_some())
}

pub(super) const REMOVE_DEAD: &str = "delete from incarnations where coalesce(ended_at, expires_at) < ? \
    and not exists (select 1 from segments where owner is not null and owner = incarnations.id) \
    and not exists (select 1 from intervals \
      where state in ('pending', 'running') and state = 'pending' and owner = incarnations.id)";

pub(super) async fn remove_dead(pool: &SqlitePool, dead_before: Timestamp) -> Result<u64> {
    Ok(sqlx::query(REMOVE_DEAD).bind(dead_before.ms()).execute(pool).await?.rows_affected())
}
