//! Ends intervals that take longer than they may.

use super::rows::{json, parsed, readable};
use super::{Connection, Row, SqlStore, closing, locks};
use crate::domain::cut;
use crate::domain::ids::{IntervalId, JobId};
use crate::domain::interval::IntervalEvent;
use crate::domain::job::Policy;
use crate::domain::timestamp::Timestamp;
use crate::store::{Result, StoreError};

pub(super) const OVERDUE: &str = "select id, policy from intervals \
    where state in ('pending', 'running') and deadline_at is not null and deadline_at <= $1 \
    order by deadline_at limit $2";

pub(super) async fn end(store: &SqlStore, now: Timestamp, limit: u32) -> Result<Vec<(IntervalId, JobId)>> {
    let overdue = || sqlx::query(OVERDUE).bind(now.ms()).bind(i64::from(limit));
    // Hardly ever is one overdue: no reason to make writers wait.
    let found = overdue().fetch_all(&store.reader).await?;
    let found = readable(&found, "interval", |row| parsed::<IntervalId>(row, "id"));
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = store.begin().await?;
    locks::jobs_of(&mut tx, &found).await?;
    let mut ended = Vec::new();
    let rows = overdue().fetch_all(&mut *tx).await?;
    let rows = readable(&rows, "interval", |row| Ok((parsed::<IntervalId>(row, "id")?, reason(row))));
    for (interval, reason) in rows.into_iter().filter(|(interval, _)| found.contains(interval)) {
        match closing::close(&mut tx, interval, IntervalEvent::TimedOut, Some(&reason), now).await {
            Ok((job, _)) => ended.push((interval, job)),
            // Whoever loads it deals with the damage; the others must not wait for that.
            Err(damage @ StoreError::Unreadable { .. }) => {
                tracing::error!(%interval, "Interval {interval} is overdue and cannot be ended: {damage}");
            }
            Err(error) => return Err(error),
        }
    }
    tx.commit().await?;
    Ok(ended)
}

/// A policy that cannot be read any more takes nothing from the deadline that was set by it.
fn reason(row: &Row) -> String {
    cut::overdue(json(row, "policy").ok().and_then(|policy: Policy| policy.interval_timeout))
}

/// Sets the deadline of an interval whose plan has just been recorded, if its policy has one.
pub(super) async fn set_deadline(
    connection: &mut Connection,
    interval: IntervalId,
    policy: &Policy,
    started_at: Timestamp,
) -> Result<()> {
    let Some(deadline) = cut::deadline(policy, started_at) else { return Ok(()) };
    sqlx::query("update intervals set deadline_at = $1 where id = $2")
        .bind(deadline.ms())
        .bind(interval.to_string())
        .execute(connection)
        .await?;
    Ok(())
}
