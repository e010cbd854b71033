//! A job's warning that its intervals outlast its period.

use super::rows::{instant, parsed};
use super::{Connection, fallback, schedule};
use crate::domain::firing;
use crate::domain::ids::IntervalId;
use crate::domain::timestamp::Timestamp;
use crate::store::Result;

pub(super) const WARNED: &str = "select jobs.*, scheduled_at, coalesce(started_at, fired_at) as began_at \
    from intervals join jobs on jobs.id = job_id \
    where intervals.id = $1 and state in ('succeeded', 'failed') and origin = 'schedule' \
      and warning is not null and substr(warning, 1, length($2)) <> $2";

/// Takes the warning back once an interval of the schedule has ended by itself within its period. One of a failed
/// recovery stays.
pub(super) async fn settle(connection: &mut Connection, interval: IntervalId, ended_at: Timestamp) -> Result<()> {
    let warned =
        sqlx::query(WARNED).bind(interval.to_string()).bind(fallback::WARNING).fetch_optional(&mut *connection).await?;
    let Some(row) = warned else { return Ok(()) };
    let (scheduled_at, began_at) = (instant(&row, "scheduled_at")?, instant(&row, "began_at")?);
    if firing::ends_within_period(&schedule::read(&row)?, scheduled_at, began_at, ended_at) {
        let settled = sqlx::query("update jobs set warning = null where id = $1");
        settled.bind(parsed::<crate::domain::ids::JobId>(&row, "id")?.to_string()).execute(connection).await?;
    }
    Ok(())
}
