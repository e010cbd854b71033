//! The shape of planned intervals, for those who check it.

use super::rows::{number, parsed, readable};
use super::{Pool, Row, progress};
use crate::domain::ids::{IntervalId, JobId};
use crate::domain::segment::Span;
use crate::domain::stage_graph::StageGraph;
use crate::store::Result;

/// A sound interval ends with the last of its segments, so none is left like that.
pub(super) const STALLED: &str = "select id, job_id from intervals \
    where state in ('pending', 'running') and state = 'running' and not exists (\
      select 1 from segments where interval_id = intervals.id and segments.state in ('free', 'waiting', 'leased'))";

pub(super) async fn one(pool: &Pool, interval: IntervalId) -> Result<Option<StageGraph>> {
    let mut connection = pool.acquire().await?;
    let row = sqlx::query("select total from intervals where id = $1 and state = 'running'").bind(interval.to_string());
    let Some(row) = row.fetch_optional(&mut *connection).await? else { return Ok(None) };
    let stages = progress::stages(&mut connection, interval).await?;
    let spans =
        sqlx::query("select number, stage, first_index, length from segments where interval_id = $1 order by number");
    let spans = spans.bind(interval.to_string()).fetch_all(&mut *connection).await?;
    Ok(Some(StageGraph {
        total: number(&row, "total")?,
        stages: stages.into_iter().map(|record| record.stage).collect(),
        spans: spans.iter().map(span).collect::<Result<_>>()?,
    }))
}

fn span(row: &Row) -> Result<Span> {
    Ok(Span {
        number: number(row, "number")?,
        stage: number(row, "stage")?,
        first: number(row, "first_index")?,
        length: number(row, "length")?,
    })
}

pub(super) async fn stalled(pool: &Pool) -> Result<Vec<(IntervalId, JobId)>> {
    let rows = sqlx::query(STALLED).fetch_all(pool).await?;
    Ok(readable(&rows, "interval", |row| Ok((parsed(row, "id")?, parsed(row, "job_id")?))))
}
