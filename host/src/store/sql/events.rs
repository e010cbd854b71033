//! What plugins told whoever watches their interval.

use super::rows::{instant, maybe_number};
use super::{Connection, Pool, Row, dialect};
use crate::domain::ids::{IntervalId, TaskIndex};
use crate::domain::task::Event;
use crate::store::{EventRecord, Result};
use sqlx::Row as _;

pub(super) const PAGE: &str =
    "select id, task_index, at, name, body from events where interval_id = $1 and id > $2 order by id limit $3";

pub(super) async fn page(pool: &Pool, interval: IntervalId, after: i64, limit: u32) -> Result<Vec<EventRecord>> {
    let rows = sqlx::query(PAGE).bind(interval.to_string()).bind(after).bind(i64::from(limit));
    rows.fetch_all(pool).await?.iter().map(event).collect()
}

fn event(row: &Row) -> Result<EventRecord> {
    Ok(EventRecord {
        id: row.try_get("id")?,
        index: maybe_number(row, "task_index")?.map(TaskIndex),
        at: instant(row, "at")?,
        name: row.try_get("name")?,
        body: row.try_get("body")?,
    })
}

/// Appends what a call told.
pub(super) async fn insert(
    connection: &mut Connection,
    interval: IntervalId,
    index: Option<TaskIndex>,
    events: &[Event],
) -> Result<()> {
    for event in events {
        sqlx::query("insert into events (interval_id, task_index, at, name, body) values ($1, $2, $3, $4, $5)")
            .bind(interval.to_string())
            .bind(index.map(|index| i64::from(index.0)))
            .bind(event.at.ms())
            .bind(dialect::text(&event.name))
            .bind(dialect::text(&event.body))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
