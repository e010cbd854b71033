//! What people do to jobs and intervals: pause and resume, trigger, cancel.

use super::rows::parsed;
use super::{SqlStore, closing, dialect, firing, locks};
use crate::domain::ids::{IntervalId, JobId};
use crate::domain::interval::{IntervalEvent, IntervalState};
use crate::domain::timestamp::Timestamp;
use crate::store::{Cancellation, NewInterval, Result, Resume, Triggered};

pub(super) async fn pause(store: &SqlStore, job: JobId, reason: &str, now: Timestamp) -> Result<bool> {
    let paused = sqlx::query(
        "update jobs set status = 'paused', pause_reason = $1, \
         updated_at = case when updated_at < $2 then $2 else updated_at + 1 end \
         where id = $3 and status = 'active' and is_deleted = false",
    );
    let paused = paused.bind(dialect::text(reason)).bind(now.ms()).bind(job.to_string()).execute(&store.writer).await?;
    Ok(paused.rows_affected() == 1)
}

pub(super) async fn resume(store: &SqlStore, resume: &Resume, now: Timestamp) -> Result<bool> {
    let mut tx = store.begin().await?;
    let resumed = sqlx::query(
        "update jobs set status = 'active', pause_reason = null, failures_in_a_row = 0, next_scheduled_at = $1, \
         next_fire_at = $2, updated_at = case when updated_at < $3 then $3 else updated_at + 1 end \
         where id = $4 and status = 'paused' and is_deleted = false",
    )
    .bind(resume.next.map(|next| next.scheduled_at.ms()))
    .bind(resume.next.map(|next| next.fire_at.ms()))
    .bind(now.ms())
    .bind(resume.job.to_string())
    .execute(&mut *tx)
    .await?;
    if resumed.rows_affected() == 0 {
        return Ok(false);
    }
    if let Some(skipped) = &resume.skipped {
        firing::insert_unrun(&mut tx, resume.job, skipped).await?;
    }
    tx.commit().await?;
    Ok(true)
}

pub(super) async fn trigger(store: &SqlStore, interval: &NewInterval, key: Option<&str>) -> Result<Triggered> {
    let firing = interval.firing;
    let key = key.map(dialect::text);
    let mut tx = store.begin().await?;
    locks::jobs(&mut tx, &[firing.job]).await?;
    if let Some(key) = &key {
        let known = sqlx::query(
            "select intervals.id from intervals join jobs on jobs.id = job_id \
             where job_id = $1 and idempotency_key = $2 and idempotency_key is not null and is_deleted = false",
        );
        let known = known.bind(firing.job.to_string()).bind(&**key).fetch_optional(&mut *tx).await?;
        if let Some(row) = known {
            return Ok(Triggered::Again(parsed(&row, "id")?));
        }
    }
    if !firing::insert(&mut tx, interval, firing.fired_at).await? {
        return Ok(Triggered::UnknownJob);
    }
    sqlx::query("update intervals set idempotency_key = $1 where id = $2")
        .bind(key)
        .bind(firing.interval.to_string())
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(Triggered::Started)
}

pub(super) async fn cancel(
    store: &SqlStore,
    interval: IntervalId,
    reason: &str,
    now: Timestamp,
) -> Result<Cancellation> {
    let mut tx = store.begin().await?;
    locks::jobs_of(&mut tx, &[interval]).await?;
    let row = sqlx::query("select state from intervals where id = $1").bind(interval.to_string());
    let Some(row) = row.fetch_optional(&mut *tx).await? else { return Ok(Cancellation::Unknown) };
    match parsed::<IntervalState>(&row, "state")? {
        IntervalState::Cancelled => Ok(Cancellation::Again),
        state if !state.is_open() => Ok(Cancellation::Ended(state)),
        _ => {
            let (job, _) = closing::close(&mut tx, interval, IntervalEvent::Cancelled, Some(reason), now).await?;
            tx.commit().await?;
            Ok(Cancellation::Cancelled(job))
        }
    }
}
