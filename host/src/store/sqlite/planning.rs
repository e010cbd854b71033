//! From an interval that has fired to one that has stages and segments.

use super::record::{insert_log, recorded};
use super::rows::{json, number, parsed, to_json};
use super::{SqliteStore, events, keys, overdue, transitions};
use crate::domain::ids::{IncarnationId, IntervalId, JobId};
use crate::domain::interval::{IntervalEvent, IntervalState};
use crate::domain::plan::Plan;
use crate::domain::task::Failure;
use crate::domain::timestamp::Timestamp;
use crate::store::{PlanRecord, Recorded, RefusedKeys, Result, StoreError};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqlitePool;

pub(super) const CLAIM: &str = "update intervals set owner = ?1, plan_at = null where id in (\
      select id from intervals where state in ('pending', 'running') and state = 'pending' \
      and is_queued = false and (owner is null or owner = ?1) and (plan_at is null or plan_at <= ?2) \
      order by priority desc, fired_at limit ?3) \
    and exists (select 1 from incarnations where id = ?1 and ended_at is null and expires_at >= ?2) returning id";

pub(super) async fn claim(
    pool: &SqlitePool,
    owner: IncarnationId,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<IntervalId>> {
    let rows = sqlx::query(CLAIM);
    let rows = rows.bind(owner.to_string()).bind(now.ms()).bind(limit).fetch_all(pool).await?;
    rows.iter().map(|row| parsed(row, "id")).collect()
}

pub(super) async fn record(
    store: &SqliteStore,
    owner: IncarnationId,
    interval: IntervalId,
    plan: &Plan,
    record: PlanRecord,
    now: Timestamp,
) -> Result<Recorded> {
    let mut tx = store.begin().await?;
    let attempt = begin(&mut tx, owner, interval, plan.total(), now).await?;
    keep_writes(&mut tx, interval, attempt, &record).await?;
    insert_stages(&mut tx, interval, plan).await?;
    let advanced = transitions::advance(&mut tx, interval, now).await?;
    tx.commit().await?;
    Ok(recorded([(interval, advanced)]))
}

/// Moves the interval on, and tells which attempt at a plan this was.
async fn begin(
    connection: &mut SqliteConnection,
    owner: IncarnationId,
    interval: IntervalId,
    total: u32,
    now: Timestamp,
) -> Result<u32> {
    let state = IntervalState::Pending.next(IntervalEvent::Planned).expect("a pending interval takes a plan");
    let row = sqlx::query(
        "update intervals set state = ?, owner = null, total = ?, started_at = ?, reason = null \
         where id = ? and owner = ? and state = 'pending' returning job_id, plan_attempts, policy",
    )
    .bind(state.name())
    .bind(total)
    .bind(now.ms())
    .bind(interval.to_string())
    .bind(owner.to_string())
    .fetch_optional(&mut *connection)
    .await?;
    let row = row.ok_or(StoreError::LeaseLost(owner))?;
    let (job, failed): (JobId, u32) = (parsed(&row, "job_id")?, number(&row, "plan_attempts")?);
    overdue::set_deadline(connection, interval, &json(&row, "policy")?, now).await?;
    transitions::show_next_open(connection, job).await?;
    Ok(failed + 1)
}

async fn insert_stages(connection: &mut SqliteConnection, interval: IntervalId, plan: &Plan) -> Result<()> {
    let id = interval.to_string();
    for (number, stage) in (0u32..).zip(plan.stages()) {
        sqlx::query(
            "insert into stages (interval_id, number, name, first_index, tasks, waits_for, is_open) \
             values (?, ?, ?, ?, ?, ?, false)",
        )
        .bind(&id)
        .bind(number)
        .bind(&stage.name)
        .bind(stage.first)
        .bind(stage.tasks)
        .bind(to_json(&stage.waits_for))
        .execute(&mut *connection)
        .await?;
    }
    for span in plan.segments() {
        sqlx::query(
            "insert into segments (interval_id, number, stage, first_index, length, state) \
             values (?, ?, ?, ?, ?, 'blocked')",
        )
        .bind(&id)
        .bind(span.number)
        .bind(span.stage)
        .bind(span.first)
        .bind(span.length)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

pub(super) async fn record_failure(
    store: &SqliteStore,
    owner: IncarnationId,
    interval: IntervalId,
    failure: &Failure,
    retry_at: Option<Timestamp>,
    record: PlanRecord,
    now: Timestamp,
) -> Result<()> {
    let mut tx = store.begin().await?;
    let reason = format!("the plan failed ({}): {}", failure.kind.name(), failure.message);
    let row = sqlx::query(
        "update intervals set owner = null, plan_attempts = plan_attempts + 1, plan_at = ?, reason = ? \
         where id = ? and owner = ? and state = 'pending' returning plan_attempts",
    )
    .bind(retry_at.map(Timestamp::ms))
    .bind(&reason)
    .bind(interval.to_string())
    .bind(owner.to_string())
    .fetch_optional(&mut *tx)
    .await?;
    let row = row.ok_or(StoreError::LeaseLost(owner))?;
    keep_writes(&mut tx, interval, number(&row, "plan_attempts")?, &record).await?;
    if retry_at.is_none() {
        transitions::close(&mut tx, interval, IntervalEvent::PlanFailed, Some(&reason), now).await?;
    }
    Ok(tx.commit().await?)
}

async fn keep_writes(
    connection: &mut SqliteConnection,
    interval: IntervalId,
    attempt: u32,
    record: &PlanRecord,
) -> Result<()> {
    if let Err(over) = keys::write(connection, interval, &record.keys).await? {
        return Err(StoreError::KeysOverQuota(vec![RefusedKeys { interval, index: None, over }]));
    }
    events::insert(connection, interval, None, &record.events).await?;
    insert_log(connection, interval, None, attempt, &record.log).await
}
