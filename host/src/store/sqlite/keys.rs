//! The keys of jobs.

use crate::domain::ids::JobId;
use crate::domain::task::KeyWrites;
use crate::store::Result;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqlitePool;

pub(super) async fn get(pool: &SqlitePool, job: JobId, key: &str) -> Result<Option<Vec<u8>>> {
    let value = sqlx::query_scalar("select value from keys where job_id = ? and key = ?");
    Ok(value.bind(job.to_string()).bind(key).fetch_optional(pool).await?)
}

pub(super) const LIST: &str = "select key from keys where job_id = ? and key >= ? and key < ? order by key limit ?";

pub(super) async fn list(
    pool: &SqlitePool,
    job: JobId,
    prefix: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<String>> {
    // Keys compare by their bytes, so nothing stands between `after` and `after` with a NUL behind it.
    let from = after.filter(|after| *after >= prefix).map_or_else(|| prefix.to_owned(), |after| format!("{after}\0"));
    let keys = sqlx::query_scalar(LIST).bind(job.to_string()).bind(from);
    let keys = match successor(prefix) {
        Some(end) => keys.bind(end),
        // No text comes after a blob.
        None => keys.bind(Vec::<u8>::new()),
    };
    Ok(keys.bind(limit).fetch_all(pool).await?)
}

/// The least text that comes after every text with this prefix; none where nothing does.
fn successor(prefix: &str) -> Option<String> {
    let head = prefix.trim_end_matches(char::MAX);
    let last = head.chars().next_back()?;
    // A range of characters leaves out the surrogates.
    let next = (last..=char::MAX).nth(1)?;
    Some(format!("{}{next}", &head[..head.len() - last.len_utf8()]))
}

/// Carries out what a call wrote.
pub(super) async fn write(connection: &mut SqliteConnection, job: JobId, writes: &KeyWrites) -> Result<()> {
    let job = job.to_string();
    for (key, value) in writes {
        match value {
            Some(value) => {
                sqlx::query(
                    "insert into keys (job_id, key, value) values (?, ?, ?) \
                     on conflict do update set value = excluded.value",
                )
                .bind(&job)
                .bind(key)
                .bind(value)
                .execute(&mut *connection)
                .await?;
            }
            None => {
                sqlx::query("delete from keys where job_id = ? and key = ?")
                    .bind(&job)
                    .bind(key)
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
