//! What a job shows when the fallback has failed, too.

use super::{Connection, dialect};
use crate::domain::ids::{IntervalId, JobId};
use crate::domain::interval::IntervalState;
use crate::store::Result;

/// How the warning begins, which tells it from a job's other warnings.
pub(super) const WARNING: &str = "the last recovery failed: ";

/// Warns on the job of an interval that has ended, where that was the fallback of another and failed, too; takes the
/// warning back where an interval has succeeded.
pub(super) async fn note_end(
    connection: &mut Connection,
    (interval, job): (IntervalId, JobId),
    state: IntervalState,
    reason: Option<&str>,
) -> Result<()> {
    let statement = match state {
        IntervalState::Succeeded => {
            sqlx::query("update jobs set warning = null where id = $2 and substr(warning, 1, length($1)) = $1")
                .bind(WARNING)
                .bind(job.to_string())
        }
        IntervalState::Failed | IntervalState::Abandoned => sqlx::query(
            "update jobs set warning = $1 || 'interval ' || lost.replaces || ' could not be resumed (' \
               || coalesce(old.reason, 'no reason is kept') || '), and interval ' || lost.id || ', which ran everything \
               from the start in its place, ' || $2 || ' (' || $3 || '). The job stays scheduled and its next interval \
               begins at the start; mend what the reasons name, or trigger the job to try at once' \
             from intervals as lost left join intervals as old on old.id = lost.replaces \
             where lost.id = $4 and lost.origin = 'fallback' and jobs.id = lost.job_id",
        )
        .bind(WARNING)
        .bind(match state {
            IntervalState::Failed => "failed",
            _ => "was abandoned",
        })
        .bind(dialect::text(reason.unwrap_or("no reason is kept")))
        .bind(interval.to_string()),
        _ => return Ok(()),
    };
    statement.execute(connection).await?;
    Ok(())
}
