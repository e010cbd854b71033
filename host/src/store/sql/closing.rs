//! The end of an interval, whatever ended it.

use super::ends::{self, EndedInterval};
use super::rows::{number, parsed};
use super::{Connection, Row, checkpoints, dialect, fallback, locks, queue, transitions, warning};
use crate::domain::ids::{IntervalId, JobId};
use crate::domain::interval::{IntervalEvent, IntervalState};
use crate::domain::streak;
use crate::domain::timestamp::Timestamp;
use crate::store::{Result, StoreError};
use sqlx::Row as _;

/// All that tells what an end must see to, in one look: most intervals have nothing of it, and each statement is a way to
/// the thread of the database and back.
pub(super) const LOOK: &str = "select job_id, state, origin, failures_in_a_row, warning is not null as has_warning, \
    exists (select 1 from segments where interval_id = ending.id and state = 'leased') as has_leased, \
    exists (select 1 from checkpoints where interval_id = ending.id) as has_checkpoints, \
    exists (select 1 from intervals as queued where queued.job_id = ending.job_id \
      and queued.state in ('pending', 'running') and queued.is_queued) as has_queued, \
    exists (select 1 from intervals as other where other.replaces is not null and other.replaces = ending.id) \
      as is_replaced, \
    exists (select 1 from jobs as other where other.after_job_id is not null and other.is_deleted = false \
      and other.after_job_id = ending.job_id) as has_followers \
    from intervals as ending join jobs on jobs.id = job_id where ending.id = $1";

/// Ends an interval: its counters become final, whoever works on it loses the lease, and its job shows the next open
/// interval, if there is one, and lets go what waited for this one.
pub(super) async fn close(
    connection: &mut Connection,
    interval: IntervalId,
    event: IntervalEvent,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<(JobId, IntervalState)> {
    locks::intervals(connection, &[interval]).await?;
    let look = sqlx::query(LOOK).bind(interval.to_string()).fetch_one(&mut *connection).await?;
    let job: JobId = parsed(&look, "job_id")?;
    let state = parsed::<IntervalState>(&look, "state")?
        .next(event)
        .map_err(|error| StoreError::unreadable(format!("interval {interval}"), error))?;
    if look.try_get("has_leased")? {
        // First: after it nobody writes bits, which the counters are summed from.
        free_segments(connection, interval).await?;
    }
    end(connection, interval, state, reason, now).await?;
    if look.try_get("has_checkpoints")? {
        checkpoints::end_all(connection, interval).await?;
    }
    if look.try_get("has_queued")? {
        queue::release(connection, job).await?;
    }
    transitions::show_next_open(connection, job).await?;
    warn(connection, &look, (interval, job), state, reason, now).await?;
    if has_consequences(&look, state)? {
        ends::follow(connection, EndedInterval { id: interval, job, state }, now).await?;
    }
    Ok((job, state))
}

async fn end(
    connection: &mut Connection,
    interval: IntervalId,
    state: IntervalState,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "update intervals set state = $1, reason = $2, finished_at = $3, owner = null, shares = null, \
         completed = (select cast(coalesce(sum(done_count), 0) as bigint) \
         from segments where interval_id = intervals.id), \
         failed = (select cast(coalesce(sum(failed_count), 0) as bigint) \
         from segments where interval_id = intervals.id) \
         where id = $4",
    )
    .bind(state.name())
    .bind(reason.map(dialect::text))
    .bind(now.ms())
    .bind(interval.to_string())
    .execute(connection)
    .await?;
    Ok(())
}

async fn free_segments(connection: &mut Connection, interval: IntervalId) -> Result<()> {
    sqlx::query(concat!(
        "update segments set state = 'free', owner = null, running = ",
        no_bytes!(),
        ", running_count = 0 where interval_id = $1 and state = 'leased'"
    ))
    .bind(interval.to_string())
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes warnings of the job back, or gives one.
async fn warn(
    connection: &mut Connection,
    look: &Row,
    (interval, job): (IntervalId, JobId),
    state: IntervalState,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    let (has_warning, origin): (bool, &str) = (look.try_get("has_warning")?, look.try_get("origin")?);
    if has_warning {
        warning::settle(connection, interval, now).await?;
    }
    if has_warning || origin == "fallback" {
        fallback::note_end(connection, (interval, job), state, reason).await?;
    }
    Ok(())
}

/// Whether the end changes how many intervals in a row have failed, or may fire another job.
fn has_consequences(look: &Row, state: IntervalState) -> Result<bool> {
    let failures: u32 = number(look, "failures_in_a_row")?;
    let counts = streak::failures_after(failures, state) != failures;
    let (is_replaced, has_followers): (bool, bool) = (look.try_get("is_replaced")?, look.try_get("has_followers")?);
    Ok(!is_replaced && (counts || has_followers))
}
