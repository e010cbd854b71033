//! What plugins told whoever watches their interval.

use super::rows::{instant, maybe_number};
use crate::domain::ids::{IntervalId, TaskIndex};
use crate::domain::task::Event;
use crate::store::{EventRecord, Result};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Row as _, SqliteConnection};

pub(super) const PAGE: &str =
    "select id, task_index, at, name, body from events where interval_id = ? and id > ? order by id limit ?";

pub(super) async fn page(pool: &SqlitePool, interval: IntervalId, after: i64, limit: u32) -> Result<Vec<EventRecord>> {
    let rows = sqlx::query(PAGE).bind(interval.to_string()).bind(after).bind(limit);
    rows.fetch_all(pool).await?.iter().map(event).collect()
}

fn event(row: &SqliteRow) -> Result<EventRecord> {
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
    connection: &mut SqliteConnection,
    interval: IntervalId,
    index: Option<TaskIndex>,
    events: &[Event],
) -> Result<()> {
    for event in events {
        sqlx::query("insert into events (interval_id, task_index, at, name, body) values (?, ?, ?, ?, ?)")
            .bind(interval.to_string())
            .bind(index.map(|index| index.0))
            .bind(event.at.ms())
            .bind(&event.name)
            .bind(&event.body)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
