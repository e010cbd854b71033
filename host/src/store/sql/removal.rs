//! Removes what is beyond a job's retention, a slice at a time.

use super::rows::{parsed, to_json};
use super::{Connection, SqlStore, locks};
use crate::domain::ids::{IntervalId, JobId};
use crate::store::{Removal, Result, Slice};

/// Of the given intervals those that have ended and to which no open one refers.
pub(super) const REMOVABLE: &str = concat!(
    "select id from intervals where id ",
    in_list!("$1"),
    " and state not in ('pending', 'running') \
     and not exists (select 1 from intervals as heirs \
       where heirs.replaces = intervals.id and heirs.state in ('pending', 'running')) \
     and not exists (select 1 from intervals as heirs \
       where heirs.caused_by = intervals.id and heirs.state in ('pending', 'running'))",
    for_update!(),
    skip_locked!()
);

/// Rows that may be large go by their bytes, too: to free them, SQLite reads each page of theirs.
macro_rules! remove_by_bytes {
    ($table:literal, $bytes:literal) => {
        concat!(
            "delete from ",
            $table,
            " where ",
            in_places!(concat!(
                "select place from (\
                   select place, sum(bytes) over (rows unbounded preceding) - bytes as before from (select ",
                place!(),
                " as place, octet_length(",
                $bytes,
                ") as bytes from ",
                $table,
                " where interval_id ",
                in_list!("$1"),
                " limit $2) as slice) as sums where before < $3"
            ))
        )
    };
}

/// The tables of what belongs to intervals, the largest first.
pub(super) const BELONGINGS: [&str; 7] = [
    remove_by_bytes!("logs", "message"),
    remove_by_bytes!("events", "body"),
    remove_by_bytes!("outputs", "output"),
    remove_by_bytes!("checkpoints", "bytes"),
    remove_by_bytes!("segments", "done"),
    concat!(
        "delete from tasks where (interval_id, task_index) in (select interval_id, task_index from tasks \
         where interval_id ",
        in_list!("$1"),
        " limit $2)"
    ),
    concat!(
        "delete from stages where (interval_id, number) in (select interval_id, number from stages \
         where interval_id ",
        in_list!("$1"),
        " limit $2)"
    ),
];

/// Whether anything belongs to them still.
pub(super) const HAS_BELONGINGS: &str = concat!(
    "with gone as (select value as id from ",
    texts!("$1"),
    " as listed) select exists (select 1 from gone join logs on interval_id = gone.id) \
    or exists (select 1 from gone join events on interval_id = gone.id) \
    or exists (select 1 from gone join outputs on interval_id = gone.id) \
    or exists (select 1 from gone join checkpoints on interval_id = gone.id) \
    or exists (select 1 from gone join segments on interval_id = gone.id) \
    or exists (select 1 from gone join tasks on interval_id = gone.id) \
    or exists (select 1 from gone join stages on interval_id = gone.id)"
);

/// What referred to a removed interval goes on without it.
pub(super) const FORGET: [&str; 2] = [
    concat!("update intervals set replaces = null where replaces ", in_list!("$1")),
    concat!("update intervals set caused_by = null where caused_by ", in_list!("$1")),
];

pub(super) const REMOVE: &str = concat!("delete from intervals where id ", in_list!("$1"));

pub(super) async fn intervals(store: &SqlStore, intervals: &[IntervalId], slice: Slice) -> Result<Removal> {
    let mut tx = store.begin().await?;
    let rows = sqlx::query(REMOVABLE).bind(to_json(&intervals)).fetch_all(&mut *tx).await?;
    let removable: Vec<IntervalId> = rows.iter().map(|row| parsed(row, "id")).collect::<Result<_>>()?;
    let ids = to_json(&removable);
    let rows = remove_belongings(&mut tx, &ids, slice).await?;
    let has_more: bool = sqlx::query_scalar(HAS_BELONGINGS).bind(&ids).fetch_one(&mut *tx).await?;
    let mut removal = Removal { rows, is_done: !has_more, intervals: 0 };
    if removal.is_done {
        for statement in FORGET {
            sqlx::query(statement).bind(&ids).execute(&mut *tx).await?;
        }
        removal.intervals = sqlx::query(REMOVE).bind(&ids).execute(&mut *tx).await?.rows_affected();
    }
    tx.commit().await?;
    Ok(removal)
}

async fn remove_belongings(connection: &mut Connection, ids: &str, slice: Slice) -> Result<u64> {
    let mut removed = 0;
    for statement in BELONGINGS {
        let rows = u64::from(slice.rows).saturating_sub(removed);
        if rows == 0 {
            break;
        }
        let statement = sqlx::query(statement).bind(ids).bind(i64::try_from(rows).unwrap_or(i64::MAX));
        removed += statement.bind(i64::from(slice.bytes)).execute(&mut *connection).await?.rows_affected();
    }
    Ok(removed)
}

pub(super) async fn deleted_job(store: &SqlStore, job: JobId) -> Result<bool> {
    let id = job.to_string();
    let mut tx = store.begin().await?;
    locks::jobs(&mut tx, &[job]).await?;
    let is_empty: bool = sqlx::query_scalar(
        "select exists (select 1 from jobs where id = $1 and is_deleted) \
         and not exists (select 1 from intervals where job_id = $1)",
    )
    .bind(&id)
    .fetch_one(&mut *tx)
    .await?;
    if !is_empty {
        return Ok(false);
    }
    for statement in [
        "update jobs set after_job_id = null, after_end = null where after_job_id = $1",
        "delete from jobs where id = $1",
    ] {
        sqlx::query(statement).bind(&id).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(true)
}
