//! What a host needs to work on an interval.

use super::rows::{instant, number, parsed};
use super::{Pool, jobs, progress};
use crate::domain::ids::IntervalId;
use crate::domain::interval::IntervalState;
use crate::store::{OpenInterval, Result};
use sqlx::Row as _;

pub(super) const OPEN: &str = "select intervals.*, jobs.name as job_name, jobs.workspace_id \
    from intervals join jobs on jobs.id = job_id \
    where intervals.id = $1 and intervals.state in ('pending', 'running')";

pub(super) async fn one(pool: &Pool, interval: IntervalId) -> Result<Option<OpenInterval>> {
    let mut connection = pool.acquire().await?;
    let Some(row) = sqlx::query(OPEN).bind(interval.to_string()).fetch_optional(&mut *connection).await? else {
        return Ok(None);
    };
    let stages = match parsed::<IntervalState>(&row, "state")? {
        // It has no plan yet.
        IntervalState::Pending => Vec::new(),
        _ => progress::stages(&mut connection, interval).await?,
    };
    Ok(Some(OpenInterval {
        id: interval,
        job: parsed(&row, "job_id")?,
        job_name: row.try_get("job_name")?,
        workspace_id: row.try_get("workspace_id")?,
        digest: parsed(&row, "digest")?,
        scheduled_at: instant(&row, "scheduled_at")?,
        is_tracked: row.try_get("is_tracked")?,
        plan_attempts: number(&row, "plan_attempts")?,
        reopened: number(&row, "reopened")?,
        work: jobs::work(&row)?,
        stages: stages.into_iter().map(|record| record.stage).collect(),
    }))
}
