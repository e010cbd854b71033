//! Intervals that wait until those of their job that are open have ended.

use super::{Connection, dialect};
use crate::domain::ids::{IntervalId, JobId};
use crate::store::Result;

/// Lets a new interval wait.
pub(super) async fn enter(connection: &mut Connection, interval: IntervalId, reason: &str) -> Result<()> {
    // One whose plugin has no version has failed already.
    sqlx::query("update intervals set is_queued = true, reason = $1 where id = $2 and state = 'pending'")
        .bind(dialect::text(reason))
        .bind(interval.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// Intervals of a backfill neither wait nor let others wait.
pub(super) const RELEASE: &str = "update intervals set is_queued = false, reason = null \
    where id = (\
      select id from intervals where job_id = $1 and state in ('pending', 'running') and is_queued \
      order by fired_at, id limit 1) \
    and not exists (\
      select 1 from intervals where job_id = $1 and state in ('pending', 'running') and not is_queued \
      and backfill_id is null)";

/// Lets the oldest of a job's intervals go that wait, unless another one is open.
pub(super) async fn release(connection: &mut Connection, job: JobId) -> Result<()> {
    sqlx::query(RELEASE).bind(job.to_string()).execute(connection).await?;
    Ok(())
}
