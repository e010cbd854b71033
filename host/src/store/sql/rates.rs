//! What hosts reserve of the rates of jobs.

use super::rows::{number, parsed, to_json};
use super::{Connection, SqlStore};
use crate::domain::ids::JobId;
use crate::domain::rate::{self, RateAsk, RateGrant};
use crate::domain::timestamp::Timestamp;
use crate::store::Result;
use std::collections::BTreeMap;

/// In one order, as everybody locks several.
pub(super) const USED: &str =
    concat!("select job_id, used_until from rates where job_id ", in_list!("$1"), " order by job_id", for_update!());

/// For the first task of a job: of two hosts that find none the second waits for the first.
const BEGIN: &str = concat!(
    "insert into rates (job_id, used_until) select id, 0 from jobs where id ",
    in_list!("$1"),
    " order by id on conflict (job_id) do nothing"
);

pub(super) const WRITE: &str = concat!(
    "update rates set used_until = new.used_until \
     from (select value ->> 0 as job_id, cast(value ->> 1 as bigint) as used_until from ",
    elements!("$1"),
    " as listed) as new where rates.job_id = new.job_id"
);

pub(super) async fn reserve(store: &SqlStore, asks: &[RateAsk], now: Timestamp) -> Result<Vec<RateGrant>> {
    let jobs: Vec<_> = asks.iter().map(|ask| ask.job).collect();
    let mut tx = store.begin().await?;
    let mut used = used(&mut tx, &jobs).await?;
    if used.len() < jobs.len() {
        sqlx::query(BEGIN).bind(to_json(&jobs)).execute(&mut *tx).await?;
        used = self::used(&mut tx, &jobs).await?;
    }
    let (mut grants, mut rows) = (Vec::new(), Vec::new());
    for ask in asks {
        // Of a job that is gone nothing begins any more.
        let Some(used_until) = used.get(&ask.job) else {
            grants.push(RateGrant { tasks: 0, next_at: now });
            continue;
        };
        let (grant, used_until) = rate::reserve(Some(*used_until), *ask, now);
        grants.push(grant);
        rows.push((ask.job, used_until));
    }
    sqlx::query(WRITE).bind(to_json(&rows)).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(grants)
}

async fn used(connection: &mut Connection, jobs: &[JobId]) -> Result<BTreeMap<JobId, i64>> {
    let rows = sqlx::query(USED).bind(to_json(&jobs)).fetch_all(connection).await?;
    rows.iter().map(|row| Ok((parsed(row, "job_id")?, number(row, "used_until")?))).collect()
}
