//! The keys of jobs.

use super::rows::{json, number};
use super::{Connection, Database, Pool, dialect};
use crate::domain::ids::{IntervalId, JobId};
use crate::domain::job::Policy;
use crate::domain::key_quota::{self, KeyUsage, OverQuota};
use crate::domain::task::KeyWrites;
use crate::store::Result;
use sqlx::{QueryBuilder, Row as _};

pub(super) async fn get(pool: &Pool, job: JobId, key: &str) -> Result<Option<Vec<u8>>> {
    let value = sqlx::query_scalar("select value from keys where job_id = $1 and key = $2");
    Ok(value.bind(job.to_string()).bind(dialect::key(key)).fetch_optional(pool).await?)
}

pub(super) const LIST: &str = "select key from keys where job_id = $1 and key >= $2 and key < $3 order by key limit $4";

pub(super) async fn list(
    pool: &Pool,
    job: JobId,
    prefix: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<String>> {
    // Keys compare by their bytes, so nothing stands between `after` and `after` with a NUL behind it.
    let from = after.filter(|after| *after >= prefix).map_or_else(|| prefix.to_owned(), |after| format!("{after}\0"));
    let end = successor(prefix);
    let keys = sqlx::query(LIST).bind(job.to_string()).bind(dialect::key(&from));
    let keys = match &end {
        Some(end) => keys.bind(dialect::key(end)),
        // No byte of a text is so large, and to SQLite all bytes are larger than every text.
        None => keys.bind(vec![u8::MAX]),
    };
    let rows = keys.bind(i64::from(limit)).fetch_all(pool).await?;
    rows.iter().map(|row| Ok(dialect::read_key(row)?)).collect()
}

pub(super) const TOTAL: &str = "select key_bytes from jobs where id = $1";

/// How many keys one statement measures: SQLite binds so many values at least, the job among them.
const MEASURED_TOGETHER: usize = 500;

pub(super) async fn usage(pool: &Pool, job: JobId, keys: &[String]) -> Result<KeyUsage> {
    let job = job.to_string();
    let mut connection = pool.acquire().await?;
    let total = sqlx::query(TOTAL).bind(&job).fetch_optional(&mut *connection).await?;
    let total = total.map_or(Ok(0), |row| number(&row, "key_bytes"))?;
    Ok(KeyUsage { total, replaced: taken_by(&mut connection, &job, keys).await? })
}

/// What those of the keys take that there are, with their values.
async fn taken_by<K: AsRef<str>>(connection: &mut Connection, job: &str, keys: &[K]) -> Result<u64> {
    let mut taken = 0;
    for keys in keys.chunks(MEASURED_TOGETHER) {
        // Bound one by one: a list in JSON would not carry a NUL.
        let mut sum = QueryBuilder::<Database>::new(
            "select cast(coalesce(sum(octet_length(key) + octet_length(value)), 0) as bigint) as bytes \
             from keys where job_id = ",
        );
        sum.push_bind(job).push(" and key in (");
        let mut list = sum.separated(", ");
        for key in keys {
            list.push_bind(dialect::key(key.as_ref()));
        }
        sum.push(")");
        // Statements of all lengths would push the others out of the cache.
        let row = sum.build().persistent(false).fetch_one(&mut *connection).await?;
        taken += number::<u64>(&row, "bytes")?;
    }
    Ok(taken)
}

/// The least text that comes after every text with this prefix; none where nothing does.
fn successor(prefix: &str) -> Option<String> {
    let head = prefix.trim_end_matches(char::MAX);
    let last = head.chars().next_back()?;
    // A range of characters leaves out the surrogates.
    let next = (last..=char::MAX).nth(1)?;
    Some(format!("{}{next}", &head[..head.len() - last.len_utf8()]))
}

pub(super) const ACCOUNT: &str = "select jobs.id, jobs.key_bytes, intervals.policy from intervals \
    join jobs on jobs.id = intervals.job_id where intervals.id = $1";

/// Carries out what a call wrote, as far as the job may keep it: nothing of it where it is too much.
pub(super) async fn write(
    connection: &mut Connection,
    interval: IntervalId,
    writes: &KeyWrites,
) -> Result<std::result::Result<(), OverQuota>> {
    if writes.is_empty() {
        return Ok(Ok(()));
    }
    let account = sqlx::query(ACCOUNT).bind(interval.to_string()).fetch_one(&mut *connection).await?;
    let (job, policy): (String, Policy) = (account.try_get("id")?, json(&account, "policy")?);
    let keys: Vec<&String> = writes.keys().collect();
    let replaced = taken_by(connection, &job, &keys).await?;
    let usage = KeyUsage { total: number(&account, "key_bytes")?, replaced };
    let total = match usage.after(key_quota::size_of(writes), policy.key_bytes_max) {
        Ok(total) => total,
        Err(over) => return Ok(Err(over)),
    };
    carry_out(connection, &job, writes).await?;
    sqlx::query("update jobs set key_bytes = $1 where id = $2")
        .bind(i64::try_from(total).unwrap_or(i64::MAX))
        .bind(&job)
        .execute(connection)
        .await?;
    Ok(Ok(()))
}

async fn carry_out(connection: &mut Connection, job: &str, writes: &KeyWrites) -> Result<()> {
    for (key, value) in writes {
        match value {
            Some(value) => {
                sqlx::query(
                    "insert into keys (job_id, key, value) values ($1, $2, $3) \
                     on conflict (job_id, key) do update set value = excluded.value",
                )
                .bind(job)
                .bind(dialect::key(key))
                .bind(value)
                .execute(&mut *connection)
                .await?;
            }
            None => {
                sqlx::query("delete from keys where job_id = $1 and key = $2")
                    .bind(job)
                    .bind(dialect::key(key))
                    .execute(&mut *connection)
                    .await?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::successor;

    #[test]
    fn the_successor_of_a_prefix_comes_after_all_that_begin_with_it() {
        for (prefix, expected) in [
            ("a/", Some("a0")),
            ("a\0", Some("a\u{1}")),
            ("\u{7f}", Some("\u{80}")),
            ("\u{d7ff}", Some("\u{e000}")),
            ("a\u{10ffff}\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
            ("", None),
        ] {
            assert_eq!(successor(prefix).as_deref(), expected, "{prefix:?}");
        }
    }
}
