//! From due jobs to intervals.

use super::rows::{json, readable, to_json};
use super::{Connection, Pool, Row, SqlStore, closing, dialect, jobs, locks, queue, transitions};
use crate::domain::firing::{Cancellation, Run, StillOpen, UnrunFiring};
use crate::domain::grants::Grants;
use crate::domain::ids::{IntervalId, JobId};
use crate::domain::interval::{IntervalEvent, Origin};
use crate::domain::timestamp::Timestamp;
use crate::store::{DueJob, FiringDecision, NewInterval, Result, STILL_OPEN_MAX, StoreError};
use serde::Deserialize;
use sqlx::Row as _;

/// Each job with its open intervals: with those of backfills left out, which yield to live firings.
pub(super) const DUE: &str = concat!(
    "select jobs.*, (select coalesce(cast(",
    json_list!(json_object!(
        "'id', id, 'origin', origin, 'is_queued', case when is_queued then 1 else 0 end, \
         'scheduled_at', scheduled_at, 'began_at', coalesce(started_at, fired_at)"
    )),
    " as text), '[]') from (select * from intervals where job_id = jobs.id and state in ('pending', 'running') \
       and backfill_id is null order by fired_at, id limit $3) as still_open) as open \
     from jobs where status = 'active' and is_deleted = false and next_fire_at <= $1 order by next_fire_at limit $2"
);

pub(super) const NEXT_AT: &str = "select min(next_fire_at) from jobs \
    where status = 'active' and is_deleted = false and next_fire_at is not null";

pub(super) async fn due(pool: &Pool, now: Timestamp, limit: u32) -> Result<Vec<DueJob>> {
    let rows =
        sqlx::query(DUE).bind(now.ms()).bind(i64::from(limit)).bind(i64::from(STILL_OPEN_MAX)).fetch_all(pool).await?;
    let due = readable(&rows, "job", |row| {
        let open: Vec<OpenRow> = json(row, "open")?;
        Ok(DueJob { job: jobs::read(row)?, open: open.into_iter().map(StillOpen::from).collect() })
    });
    if due.is_empty() && !rows.is_empty() {
        // Damaged jobs stay due: an empty answer would have the scheduler ask again at once, for ever.
        return Err(StoreError::unreadable("every due job", "the rows are damaged"));
    }
    Ok(due)
}

/// An open interval as [`DUE`] tells of it; SQLite's JSON has no booleans.
#[derive(Deserialize)]
struct OpenRow {
    id: IntervalId,
    origin: String,
    is_queued: u8,
    scheduled_at: i64,
    began_at: i64,
}

impl From<OpenRow> for StillOpen {
    fn from(row: OpenRow) -> Self {
        Self {
            id: row.id,
            scheduled_at: Timestamp::from_ms(row.scheduled_at),
            began_at: Timestamp::from_ms(row.began_at),
            is_scheduled: row.origin == Origin::Schedule.name(),
            is_queued: row.is_queued != 0,
        }
    }
}

pub(super) async fn next_at(pool: &Pool) -> Result<Option<Timestamp>> {
    let next: Option<i64> = sqlx::query_scalar(NEXT_AT).fetch_one(pool).await?;
    Ok(next.map(Timestamp::from_ms))
}

pub(super) async fn fire(store: &SqlStore, decisions: &[FiringDecision]) -> Result<Vec<bool>> {
    let mut tx = store.begin().await?;
    let jobs: Vec<_> = decisions.iter().map(|decision| decision.job).collect();
    locks::jobs(&mut tx, &jobs).await?;
    let mut fired = Vec::new();
    for decision in decisions {
        fired.push(fire_one(&mut tx, decision).await?);
    }
    tx.commit().await?;
    Ok(fired)
}

async fn fire_one(connection: &mut Connection, decision: &FiringDecision) -> Result<bool> {
    let FiringDecision { job, verdict, .. } = decision;
    let moved = sqlx::query(
        "update jobs set next_scheduled_at = $1, next_fire_at = $2, warning = coalesce($3, warning) \
         where id = $4 and next_fire_at = $5 and status = 'active' and is_deleted = false",
    )
    .bind(verdict.next.map(|next| next.scheduled_at.ms()))
    .bind(verdict.next.map(|next| next.fire_at.ms()))
    .bind(verdict.warning.as_deref().map(dialect::text))
    .bind(job.to_string())
    .bind(decision.was_due_at.ms())
    .execute(&mut *connection)
    .await?;
    if moved.rows_affected() == 0 {
        return Ok(false);
    }
    for Cancellation { interval, reason } in &verdict.cancels {
        // It may have ended since the decision.
        if transitions::is_open(connection, *interval).await? {
            closing::close(connection, *interval, IntervalEvent::Cancelled, Some(reason), decision.decided_at).await?;
        }
    }
    for firing in &verdict.unrun {
        insert_unrun(connection, *job, firing).await?;
    }
    // Also where a firing was kept before, the job's next one must come.
    let mut are_all_new = true;
    for Run { firing, waits } in &verdict.runs {
        let interval = NewInterval { firing: *firing, is_tracked: decision.is_tracked };
        are_all_new &= insert(connection, &interval, firing.fired_at).await?;
        if let Some(reason) = waits {
            queue::enter(connection, firing.interval, reason).await?;
        }
    }
    if verdict.runs.iter().any(|run| run.waits.is_some()) {
        // What they wait for may have ended since the decision.
        queue::release(connection, *job).await?;
    }
    if verdict.runs.iter().any(|run| run.waits.is_some()) || verdict.runs.is_empty() {
        transitions::show_next_open(connection, *job).await?;
    }
    Ok(are_all_new)
}

/// Inserts an interval; where its plugin has no version, it fails at once. False where there is no such job, or where
/// the firing is kept already.
pub(super) async fn insert(connection: &mut Connection, interval: &NewInterval, now: Timestamp) -> Result<bool> {
    let inserted = match interval.firing.origin {
        Origin::Schedule | Origin::Trigger | Origin::Backfill { .. } | Origin::Chain { .. } => {
            insert_firing(connection, interval).await?
        }
        Origin::Fallback { replaces } | Origin::Upgrade { replaces } => {
            insert_replacement(connection, interval, replaces).await?
        }
    };
    if let Some(Inserted { lacks_plugin: true }) = inserted {
        let reason = "no version of the job's plugin is uploaded";
        let event = IntervalEvent::PlanFailed;
        closing::close(connection, interval.firing.interval, event, Some(reason), now).await?;
    }
    transitions::show_next_open(connection, interval.firing.job).await?;
    Ok(inserted.is_some())
}

/// A new row.
struct Inserted {
    /// Whether it is pinned to no version, as there is none.
    lacks_plugin: bool,
}

impl Inserted {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self { lacks_plugin: row.try_get("lacks_plugin")? })
    }
}

/// With its own copy of the job's work, pinned to the plugin's current version.
async fn insert_firing(connection: &mut Connection, interval: &NewInterval) -> Result<Option<Inserted>> {
    let firing = interval.firing;
    let (caused_by, backfill) = match firing.origin {
        Origin::Chain { caused_by } => (Some(caused_by.to_string()), None),
        Origin::Backfill { backfill } => (None, Some(backfill.to_string())),
        _ => (None, None),
    };
    let inserted = sqlx::query(concat!(
        "insert into intervals (id, job_id, state, origin, caused_by, backfill_id, digest, is_tracked, scheduled_at, \
           fired_at, priority, tasks, policy, grants, payload, requires) \
         select $1, id, 'pending', $2, $3, $4, \
           (select digest from plugins where name = jobs.plugin order by uploaded_at desc, digest limit 1), \
           $5, $6, $7, coalesce(",
        json_number!("policy", "priority"),
        ", 0), tasks, policy, grants, payload, requires from jobs where id = $8 and is_deleted = false \
         on conflict (job_id, scheduled_at) where origin = 'schedule' do nothing \
         returning digest is null as lacks_plugin"
    ))
    .bind(firing.interval.to_string())
    .bind(firing.origin.name())
    .bind(caused_by)
    .bind(backfill)
    .bind(interval.is_tracked)
    .bind(firing.scheduled_at.ms())
    .bind(firing.fired_at.ms())
    .bind(firing.job.to_string())
    .fetch_optional(connection)
    .await?;
    inserted.as_ref().map(Inserted::read).transpose()
}

/// With the work, the instant and, but for an upgrade, the version of the interval that it replaces: the job may have
/// another by now. What recorded no progress has no fallback, so that a fallback is not followed by another.
async fn insert_replacement(
    connection: &mut Connection,
    interval: &NewInterval,
    replaces: IntervalId,
) -> Result<Option<Inserted>> {
    let firing = interval.firing;
    let inserted = sqlx::query(
        "insert into intervals (id, job_id, state, origin, replaces, backfill_id, digest, is_tracked, scheduled_at, \
           fired_at, priority, tasks, policy, grants, payload, requires) \
         select $1, old.job_id, 'pending', $2, old.id, old.backfill_id, \
           coalesce((select digest from components where digest = old.digest and $2 <> 'upgrade'), \
             (select digest from plugins where name = jobs.plugin order by uploaded_at desc, digest limit 1)), \
           $3, old.scheduled_at, $4, old.priority, old.tasks, old.policy, old.grants, old.payload, old.requires \
         from intervals as old join jobs on jobs.id = old.job_id \
         where old.id = $5 and jobs.is_deleted = false and (old.is_tracked or $2 <> 'fallback') \
         returning digest is null as lacks_plugin",
    )
    .bind(firing.interval.to_string())
    .bind(firing.origin.name())
    .bind(interval.is_tracked)
    .bind(firing.fired_at.ms())
    .bind(replaces.to_string())
    .fetch_optional(connection)
    .await?;
    inserted.as_ref().map(Inserted::read).transpose()
}

pub(super) async fn insert_unrun(connection: &mut Connection, job: JobId, firing: &UnrunFiring) -> Result<()> {
    sqlx::query(
        "insert into intervals (id, job_id, state, reason, origin, is_tracked, scheduled_at, fired_at, finished_at, \
           policy, grants, payload) \
         select $1, id, $2, $3, 'schedule', false, $4, $5, $6, policy, $7, 'null' from jobs where id = $8 \
         on conflict (job_id, scheduled_at) where origin = 'schedule' do nothing",
    )
    .bind(firing.id.to_string())
    .bind(firing.state.name())
    .bind(dialect::text(&firing.reason))
    .bind(firing.scheduled_at.ms())
    .bind(firing.decided_at.ms())
    .bind(firing.decided_at.ms())
    .bind(to_json(&Grants::default()))
    .bind(job.to_string())
    .execute(&mut *connection)
    .await?;
    Ok(())
}
