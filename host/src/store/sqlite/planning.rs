//! From an interval that has fired to one that has stages and segments.

use super::record::{insert_log, recorded};
use super::rows::{number, parsed, to_json};
use super::transitions::{self, Advanced};
use super::{SqliteStore, keys};
use crate::domain::ids::{IncarnationId, IntervalId, JobId};
use crate::domain::interval::{IntervalEvent, IntervalState};
use crate::domain::plan::Plan;
use crate::domain::stage;
use crate::domain::task::Failure;
use crate::domain::timestamp::Timestamp;
use crate::domain::worklist::LeasedSegment;
use crate::store::{MadePlan, PlanRecord, Planned, Result, StoreError};
use sqlx::SqliteConnection;

pub(super) const CLAIM: &str = "update intervals set owner = ?1, plan_at = null where id in (\
      select id from intervals where state in ('pending', 'running') and state = 'pending' \
      and owner is null and (plan_at is null or plan_at <= ?2) order by fired_at limit ?3) \
    and exists (select 1 from incarnations where id = ?1 and ended_at is null and expires_at >= ?2) returning id";

pub(super) const CLAIMED: &str = "select id from intervals \
    where state in ('pending', 'running') and state = 'pending' and owner = ?1 \
    and exists (select 1 from incarnations where id = ?1 and ended_at is null and expires_at >= ?2) order by fired_at";

pub(super) const IS_ALIVE: &str =
    "select exists (select 1 from incarnations where id = ? and ended_at is null and expires_at >= ?)";

pub(super) const BEGIN: &str = "update intervals set state = ?, owner = null, total = ?, started_at = ?, \
    reason = null where id = ? and owner = ? and state = 'pending' returning job_id, plan_attempts";

pub(super) async fn claim(
    store: &SqliteStore,
    owner: IncarnationId,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<IntervalId>> {
    let id = owner.to_string();
    // Taken before and not to be written again; with them none is forgotten whose plan could not be recorded.
    let held = sqlx::query(CLAIMED).bind(&id).bind(now.ms()).fetch_all(&store.reader).await?;
    let new = sqlx::query(CLAIM).bind(&id).bind(now.ms()).bind(limit).fetch_all(&store.writer).await?;
    held.iter().chain(&new).map(|row| parsed(row, "id")).collect()
}

pub(super) async fn record(
    store: &SqliteStore,
    owner: IncarnationId,
    plans: &[MadePlan],
    now: Timestamp,
) -> Result<Vec<Option<Planned>>> {
    let mut tx = store.begin().await?;
    let is_alive: bool =
        sqlx::query_scalar(IS_ALIVE).bind(owner.to_string()).bind(now.ms()).fetch_one(&mut *tx).await?;
    let mut planned = Vec::new();
    for made in plans {
        let segments_max = if is_alive { made.segments_max } else { 0 };
        planned.push(record_one(&mut tx, owner, made, segments_max, now).await?);
    }
    tx.commit().await?;
    Ok(planned)
}

async fn record_one(
    connection: &mut SqliteConnection,
    owner: IncarnationId,
    made: &MadePlan,
    segments_max: u32,
    now: Timestamp,
) -> Result<Option<Planned>> {
    let MadePlan { interval, plan, record, .. } = made;
    let Some((job, attempt)) = begin(connection, owner, *interval, plan.total(), now).await? else { return Ok(None) };
    keep_writes(connection, job, *interval, attempt, record).await?;
    let is_open = stage::opening(plan);
    insert_stages(connection, *interval, plan, &is_open).await?;
    let segments = insert_segments(connection, owner, made, &is_open, segments_max).await?;
    let advanced = match plan.total() {
        0 => transitions::advance(connection, *interval, now).await?,
        _ => Advanced::Opened,
    };
    Ok(Some(Planned { recorded: recorded([(*interval, advanced)]), segments }))
}

/// Moves the interval on, and tells its job and which attempt at a plan this was.
async fn begin(
    connection: &mut SqliteConnection,
    owner: IncarnationId,
    interval: IntervalId,
    total: u32,
    now: Timestamp,
) -> Result<Option<(JobId, u32)>> {
    let state = IntervalState::Pending.next(IntervalEvent::Planned).expect("a pending interval takes a plan");
    let row = sqlx::query(BEGIN)
        .bind(state.name())
        .bind(total)
        .bind(now.ms())
        .bind(interval.to_string())
        .bind(owner.to_string())
        .fetch_optional(&mut *connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let (job, failed): (_, u32) = (parsed(&row, "job_id")?, number(&row, "plan_attempts")?);
    transitions::show_next_open(connection, job).await?;
    Ok(Some((job, failed + 1)))
}

async fn insert_stages(
    connection: &mut SqliteConnection,
    interval: IntervalId,
    plan: &Plan,
    is_open: &[bool],
) -> Result<()> {
    for (number, (stage, is_open)) in (0u32..).zip(plan.stages().iter().zip(is_open)) {
        sqlx::query(
            "insert into stages (interval_id, number, name, first_index, tasks, waits_for, is_open) \
             values (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(interval.to_string())
        .bind(number)
        .bind(&stage.name)
        .bind(stage.first)
        .bind(stage.tasks)
        .bind(to_json(&stage.waits_for))
        .bind(is_open)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Inserts all segments, and answers with the first of open stages, which are the owner's at once: no claim of theirs
/// needs a commit of its own.
async fn insert_segments(
    connection: &mut SqliteConnection,
    owner: IncarnationId,
    made: &MadePlan,
    is_open: &[bool],
    segments_max: u32,
) -> Result<Vec<LeasedSegment>> {
    let (interval, owner) = (made.interval.to_string(), owner.to_string());
    let mut leased = Vec::new();
    for span in made.plan.segments() {
        let (state, owner, epoch) = match is_open[span.stage as usize] {
            false => ("blocked", None, 0),
            true if leased.len() < segments_max as usize => ("leased", Some(&owner), 1),
            true => ("free", None, 0),
        };
        if owner.is_some() {
            leased.push(LeasedSegment::fresh(span));
        }
        sqlx::query(
            "insert into segments (interval_id, number, stage, first_index, length, state, owner, epoch) \
             values (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&interval)
        .bind(span.number)
        .bind(span.stage)
        .bind(span.first)
        .bind(span.length)
        .bind(state)
        .bind(owner)
        .bind(epoch)
        .execute(&mut *connection)
        .await?;
    }
    Ok(leased)
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
         where id = ? and owner = ? and state = 'pending' returning job_id, plan_attempts",
    )
    .bind(retry_at.map(Timestamp::ms))
    .bind(&reason)
    .bind(interval.to_string())
    .bind(owner.to_string())
    .fetch_optional(&mut *tx)
    .await?;
    let row = row.ok_or(StoreError::LeaseLost(owner))?;
    keep_writes(&mut tx, parsed(&row, "job_id")?, interval, number(&row, "plan_attempts")?, &record).await?;
    if retry_at.is_none() {
        transitions::close(&mut tx, interval, IntervalEvent::PlanFailed, Some(&reason), now).await?;
    }
    Ok(tx.commit().await?)
}

async fn keep_writes(
    connection: &mut SqliteConnection,
    job: JobId,
    interval: IntervalId,
    attempt: u32,
    record: &PlanRecord,
) -> Result<()> {
    keys::write(connection, job, &record.keys).await?;
    insert_log(connection, interval, None, attempt, &record.log).await
}
