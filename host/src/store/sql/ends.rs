//! What the end of an interval means for its job, and for the jobs that wait for it.

use super::rows::{json, maybe_parsed, number, parsed, to_json, word};
use super::{Connection, Row, closing, dialect, firing, queue, transitions};
use crate::domain::chain::{self, Follower, Following};
use crate::domain::grants::Grants;
use crate::domain::ids::{IntervalId, JobId};
use crate::domain::interval::{Firing, IntervalEvent, IntervalState, Origin};
use crate::domain::rules::JobRules;
use crate::domain::streak;
use crate::domain::timestamp::Timestamp;
use crate::store::{NewInterval, Result};
use futures::future::BoxFuture;
use sqlx::Row as _;

/// An interval that has ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct EndedInterval {
    pub(super) id: IntervalId,
    pub(super) job: JobId,
    pub(super) state: IntervalState,
}

/// Counts the end, and fires the jobs that wait for it.
///
/// An interval that another replaces has not ended as far as others are concerned: the replacement's end stands for
/// both, so its row must be there by now. Boxed, as what it fires may end at once.
pub(super) fn follow(connection: &mut Connection, ended: EndedInterval, now: Timestamp) -> BoxFuture<'_, Result<()>> {
    Box::pin(async move {
        let replacement = sqlx::query("select id from intervals where replaces = $1").bind(ended.id.to_string());
        if replacement.fetch_optional(&mut *connection).await?.is_some() {
            return Ok(());
        }
        count(connection, ended).await?;
        fire_followers(connection, ended, now).await
    })
}

/// Keeps how many intervals in a row have failed, and pauses the job after too many. A backfill's intervals do not
/// count: the past says nothing of how the schedule does now.
async fn count(connection: &mut Connection, ended: EndedInterval) -> Result<()> {
    let row = sqlx::query(
        "select failures_in_a_row, rules from jobs where id = $1 and exists (\
           select 1 from intervals where id = $2 and backfill_id is null)",
    );
    let row = row.bind(ended.job.to_string()).bind(ended.id.to_string()).fetch_optional(&mut *connection).await?;
    let Some(row) = row else { return Ok(()) };
    let before: u32 = number(&row, "failures_in_a_row")?;
    let failures = streak::failures_after(before, ended.state);
    if failures == before {
        return Ok(());
    }
    sqlx::query("update jobs set failures_in_a_row = $1 where id = $2")
        .bind(i64::from(failures))
        .bind(ended.job.to_string())
        .execute(&mut *connection)
        .await?;
    let rules: JobRules = json(&row, "rules")?;
    if let Some(reason) = streak::pause_reason(failures, rules.pause_after_failures, ended.id) {
        sqlx::query("update jobs set status = 'paused', pause_reason = $1 where id = $2 and status = 'active'")
            .bind(reason)
            .bind(ended.job.to_string())
            .execute(connection)
            .await?;
    }
    Ok(())
}

pub(super) const FOLLOWERS: &str = "select id, rules, enable_recovery, status, after_end, \
      (select id from intervals where job_id = jobs.id and state in ('pending', 'running') \
        and backfill_id is null limit 1) as open_interval_id, \
      (select count(*) from intervals where job_id = jobs.id and state in ('pending', 'running') \
        and is_queued) as queued \
    from jobs where after_job_id = $1 and after_job_id is not null and is_deleted = false";

async fn fire_followers(connection: &mut Connection, ended: EndedInterval, now: Timestamp) -> Result<()> {
    let rows = sqlx::query(FOLLOWERS).bind(ended.job.to_string()).fetch_all(&mut *connection).await?;
    for row in &rows {
        if chain::fires_at(word(row, "after_end")?, ended.state) {
            fire_follower(connection, row, ended.id, now).await?;
        }
    }
    Ok(())
}

async fn fire_follower(connection: &mut Connection, row: &Row, cause: IntervalId, now: Timestamp) -> Result<()> {
    let job: JobId = parsed(row, "id")?;
    let rules: JobRules = json(row, "rules")?;
    let follower = Follower {
        overlap: rules.overlap,
        is_paused: row.try_get::<&str, _>("status")? == "paused",
        open: maybe_parsed(row, "open_interval_id")?,
        queued: number(row, "queued")?,
    };
    let origin = Origin::Chain { caused_by: cause };
    let firing = Firing { interval: IntervalId::generate(), job, origin, scheduled_at: now, fired_at: now };
    // Where recovery is off for the whole host, a crash abandons the interval all the same.
    let interval = NewInterval { firing, is_tracked: row.try_get("enable_recovery")? };
    let following = chain::follow(follower, cause);
    match &following {
        Following::Skip { reason } => return keep_skipped(connection, firing, cause, reason).await,
        Following::RunAlone => cancel_open(connection, job, firing.interval, now).await?,
        Following::Run | Following::Queue { .. } => {}
    }
    firing::insert(connection, &interval, now).await?;
    if let Following::Queue { reason } = &following {
        queue::enter(connection, firing.interval, reason).await?;
        transitions::show_next_open(connection, job).await?;
    }
    Ok(())
}

async fn cancel_open(connection: &mut Connection, job: JobId, successor: IntervalId, now: Timestamp) -> Result<()> {
    let open = sqlx::query(
        "select id from intervals where job_id = $1 and state in ('pending', 'running') and backfill_id is null",
    );
    let reason = format!("interval {successor} of the job fired and takes its place (overlap)");
    for row in open.bind(job.to_string()).fetch_all(&mut *connection).await? {
        closing::close(connection, parsed(&row, "id")?, IntervalEvent::Cancelled, Some(&reason), now).await?;
    }
    Ok(())
}

async fn keep_skipped(connection: &mut Connection, firing: Firing, cause: IntervalId, reason: &str) -> Result<()> {
    sqlx::query(
        "insert into intervals (id, job_id, state, reason, origin, caused_by, is_tracked, scheduled_at, fired_at, \
           finished_at, policy, grants, payload) \
         select $1, id, 'skipped', $2, 'chain', $3, false, $4, $4, $4, policy, $5, 'null' from jobs where id = $6",
    )
    .bind(firing.interval.to_string())
    .bind(dialect::text(reason))
    .bind(cause.to_string())
    .bind(firing.fired_at.ms())
    .bind(to_json(&Grants::default()))
    .bind(firing.job.to_string())
    .execute(connection)
    .await?;
    Ok(())
}
