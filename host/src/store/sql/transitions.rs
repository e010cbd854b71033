//! Changes of an interval's state; each goes through the domain's transition function.

use super::closing::close;
use super::rows::{json, number, to_json};
use super::{Connection, progress};
use crate::domain::cut;
use crate::domain::ids::{IntervalId, JobId};
use crate::domain::interval::{IntervalEvent, IntervalState};
use crate::domain::job::Policy;
use crate::domain::stage::{self, Advance};
use crate::domain::timestamp::Timestamp;
use crate::store::Result;

/// What [`advance`] led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Advanced {
    /// The open stages just go on.
    GoesOn,
    /// Stages were opened.
    Opened,
    /// The interval ended.
    Ended(JobId, IntervalState),
}

/// Opens the stages that can begin, and ends the interval where nothing is left that could run.
pub(super) async fn advance(connection: &mut Connection, interval: IntervalId, now: Timestamp) -> Result<Advanced> {
    let mut advanced = Advanced::GoesOn;
    loop {
        let tallies: Vec<_> = progress::stages(connection, interval).await?.iter().map(progress::tally).collect();
        let failed = tallies.iter().map(|stage| stage.failed).sum();
        let next = stage::advance(&tallies);
        if matches!(next, Advance::Open(_))
            && let Some(reason) = too_many_failed(connection, interval, failed).await?
        {
            let (job, state) = close(connection, interval, IntervalEvent::CutShort, Some(&reason), now).await?;
            return Ok(Advanced::Ended(job, state));
        }
        match next {
            Advance::Open(numbers) if numbers.is_empty() => return Ok(advanced),
            Advance::Open(numbers) => {
                for number in numbers {
                    open_stage(connection, interval, number).await?;
                }
                advanced = Advanced::Opened;
            }
            Advance::End { end, reason } => {
                let event = IntervalEvent::Ended(end);
                let (job, state) = close(connection, interval, event, reason.as_deref(), now).await?;
                return Ok(Advanced::Ended(job, state));
            }
        }
    }
}

/// Why an interval with so many failed tasks is cut short, if it is.
async fn too_many_failed(connection: &mut Connection, interval: IntervalId, failed: u64) -> Result<Option<String>> {
    if failed == 0 {
        return Ok(None);
    }
    let row = sqlx::query("select policy, total from intervals where id = $1").bind(interval.to_string());
    let row = row.fetch_one(connection).await?;
    let policy: Policy = json(&row, "policy")?;
    Ok(cut::too_many_failed(policy.max_failed, failed, number(&row, "total")?))
}

async fn open_stage(connection: &mut Connection, interval: IntervalId, number: u32) -> Result<()> {
    sqlx::query("update stages set is_open = true where interval_id = $1 and number = $2")
        .bind(interval.to_string())
        .bind(i64::from(number))
        .execute(&mut *connection)
        .await?;
    sqlx::query("update segments set state = 'free' where interval_id = $1 and stage = $2 and state = 'blocked'")
        .bind(interval.to_string())
        .bind(i64::from(number))
        .execute(&mut *connection)
        .await?;
    Ok(())
}

/// Keeps the published progress as long as the job shows the same interval.
pub(super) const SHOW_NEXT_OPEN: &str = "update jobs \
    set (current_interval_id, interval_started_at, interval_progress) = (\
      select id, started_at, case when id = jobs.current_interval_id then jobs.interval_progress end from intervals \
      where job_id = jobs.id and state in ('pending', 'running') and is_queued = false \
      order by fired_at desc, id desc limit 1) where id = $1";

/// Points the job at its latest open interval.
pub(super) async fn show_next_open(connection: &mut Connection, job: JobId) -> Result<()> {
    sqlx::query(SHOW_NEXT_OPEN).bind(job.to_string()).execute(connection).await?;
    Ok(())
}

/// The same for many jobs in one statement.
pub(super) const SHOW_NEXT_OPEN_OF_EACH: &str = concat!(
    "update jobs \
    set (current_interval_id, interval_started_at, interval_progress) = (\
      select id, started_at, case when id = jobs.current_interval_id then jobs.interval_progress end from intervals \
      where job_id = jobs.id and state in ('pending', 'running') and is_queued = false \
      order by fired_at desc, id desc limit 1) \
    where id ",
    in_list!("$1")
);

/// Points each of the jobs at its latest open interval.
pub(super) async fn show_next_open_of_each(connection: &mut Connection, jobs: &[JobId]) -> Result<()> {
    sqlx::query(SHOW_NEXT_OPEN_OF_EACH).bind(to_json(&jobs)).execute(connection).await?;
    Ok(())
}

/// Whether an interval is there and has not ended.
pub(super) async fn is_open(connection: &mut Connection, interval: IntervalId) -> Result<bool> {
    let open = sqlx::query("select id from intervals where id = $1 and state in ('pending', 'running')");
    Ok(open.bind(interval.to_string()).fetch_optional(connection).await?.is_some())
}
