//! Starts, heartbeats and ends of hosts.

use super::locks::{self, Subject};
use super::rows::{maybe_instant, parsed, to_json};
use super::{Connection, Pool, SqlStore};
use crate::domain::ids::{IncarnationId, IntervalId};
use crate::domain::lease::LEASE_FOR;
use crate::domain::timestamp::Timestamp;
use crate::store::{Incarnation, Renewal, Result, StoreError};
use sqlx::Row as _;

pub(super) const COUNT_DUPLICATES: &str = "update intervals set duplicates = duplicates + held.running from \
    (select interval_id, cast(sum(running_count) as bigint) as running from segments where owner = $1 \
    group by interval_id) as held \
    where intervals.id = held.interval_id and is_tracked";

pub(super) const FREE_SEGMENTS: &str = concat!(
    "update segments set state = 'free', owner = null, running = ",
    no_bytes!(),
    ", running_count = 0 \
     where owner = $1 and exists (select 1 from intervals where id = segments.interval_id and is_tracked)"
);

pub(super) const FREE_PLANS: &str = "update intervals set owner = null \
    where state in ('pending', 'running') and state = 'pending' and owner = $1";

const LIVING_OF: &str = "select id from incarnations where host_id = $1 and ended_at is null and id <> $2 order by id";

pub(super) async fn begin(store: &SqlStore, incarnation: &Incarnation) -> Result<()> {
    let Incarnation { id, host_id, started_at, profile } = incarnation;
    let mut tx = store.begin().await?;
    // Of two starts at once the later one ends the earlier one; one whose answer was lost is told again.
    locks::subject(&mut tx, Subject::Host(host_id)).await?;
    for earlier in sqlx::query(LIVING_OF).bind(host_id).bind(id.to_string()).fetch_all(&mut *tx).await? {
        locks::ending(&mut tx, parsed(&earlier, "id")?).await?;
    }
    sqlx::query("update incarnations set ended_at = $1 where host_id = $2 and ended_at is null and id <> $3")
        .bind(started_at.ms())
        .bind(host_id)
        .bind(id.to_string())
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "insert into incarnations (id, host_id, started_at, expires_at, version, roles, labels, address) \
         values ($1, $2, $3, $4, $5, $6, $7, $8) \
         on conflict (id) do update set expires_at = excluded.expires_at",
    )
    .bind(id.to_string())
    .bind(host_id)
    .bind(started_at.ms())
    .bind((*started_at + LEASE_FOR).ms())
    .bind(&profile.version)
    .bind(profile.roles.to_string())
    .bind(to_json(&profile.labels))
    .bind(&profile.address)
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}

/// What no renewal reaches beyond.
const LEASE_MS: i64 = LEASE_FOR.as_millis() as i64;

/// Each host asks for it each second: one statement that touches one row and no index. One that arrives late, behind those
/// that were asked for after it, does not shorten the lease; and none makes it longer than a lease, by the database's clock.
pub(super) const RENEW: &str = concat!(
    "update incarnations set expires_at = ",
    larger!(),
    "($1, coalesce(",
    smaller!(),
    "(expires_at, ",
    database_now!(),
    " + $3), $1)) where id = $2 and ended_at is null \
     returning drain_at is not null as is_draining, ",
    database_now!(),
    " as database_now"
);

pub(super) async fn renew(store: &SqlStore, incarnation: IncarnationId, now: Timestamp) -> Result<Renewal> {
    let renewed = sqlx::query(RENEW).bind((now + LEASE_FOR).ms()).bind(incarnation.to_string()).bind(LEASE_MS);
    let row = renewed.fetch_optional(store.heart()).await?.ok_or(StoreError::LeaseLost(incarnation))?;
    Ok(Renewal { is_draining: row.try_get("is_draining")?, database_now: maybe_instant(&row, "database_now")? })
}

pub(super) async fn database_now(pool: &Pool) -> Result<Option<Timestamp>> {
    let row = sqlx::query(concat!("select ", database_now!(), " as database_now")).fetch_one(pool).await?;
    maybe_instant(&row, "database_now")
}

pub(super) const NEXT_EXPIRY: &str = "select min(expires_at) from incarnations \
    where ended_at is null and expires_at >= $1 and id <> $2";

pub(super) async fn next_expiry(pool: &Pool, but: IncarnationId, now: Timestamp) -> Result<Option<Timestamp>> {
    let next: Option<i64> =
        sqlx::query_scalar(NEXT_EXPIRY).bind(now.ms()).bind(but.to_string()).fetch_one(pool).await?;
    Ok(next.map(Timestamp::from_ms))
}

/// The intervals of which an incarnation holds a segment or the plan.
const HELD_BY: &str = "select interval_id as id from segments where owner is not null and owner = $1 \
    union select id from intervals where state in ('pending', 'running') and state = 'pending' and owner = $1";

pub(super) async fn end(store: &SqlStore, incarnation: IncarnationId, now: Timestamp) -> Result<()> {
    let id = incarnation.to_string();
    let mut tx = store.begin().await?;
    locks::ending(&mut tx, incarnation).await?;
    let held = sqlx::query(HELD_BY).bind(&id).fetch_all(&mut *tx).await?;
    let held = held.iter().map(|row| parsed(row, "id")).collect::<Result<Vec<IntervalId>>>()?;
    locks::intervals(&mut tx, &held).await?;
    sqlx::query("update incarnations set ended_at = $1 where id = $2 and ended_at is null")
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
pub(super) const IS_ALIVE: &str =
    concat!("select id from incarnations where id = $1 and ended_at is null and expires_at >= $2", for_key_share!());

/// Whether an incarnation has not ended and its lease has not run out; it does not end before the transaction has.
pub(super) async fn is_alive(connection: &mut Connection, incarnation: IncarnationId, now: Timestamp) -> Result<bool> {
    let alive = sqlx::query(IS_ALIVE).bind(incarnation.to_string()).bind(now.ms()).fetch_optional(connection).await?;
    Ok(alive.is_some())
}

pub(super) const REMOVE_DEAD: &str = "delete from incarnations where coalesce(ended_at, expires_at) < $1 \
    and not exists (select 1 from segments where owner is not null and owner = incarnations.id) \
    and not exists (select 1 from intervals \
      where state in ('pending', 'running') and state = 'pending' and owner = incarnations.id)";

pub(super) async fn remove_dead(pool: &Pool, dead_before: Timestamp) -> Result<u64> {
    Ok(sqlx::query(REMOVE_DEAD).bind(dead_before.ms()).execute(pool).await?.rows_affected())
}
