//! Locks on what decides, so that transactions of many hosts follow one another where they must.
//!
//! The order, which keeps them from waiting for each other in a circle: subjects, incarnations, jobs by id, intervals by
//! id, segments by interval and number. A job's row stands for the life of all its intervals: whoever fires, ends,
//! reopens or replaces one has locked it, so that overlap, chains, streaks and the quota of keys are decided one after
//! another. What only claims segments or writes bits never waits for it.

use super::Connection;
use crate::domain::ids::{IncarnationId, IntervalId, JobId};
use crate::store::Result;

/// What needs a lock and has no row of its own.
#[derive(Debug, Clone, Copy)]
pub(super) enum Subject<'a> {
    /// The incarnations of a host.
    Host(&'a str),
    /// The versions of all plugins.
    Versions,
    /// Which jobs fire after which.
    Chains,
    /// Under which key secrets are kept.
    Secrets,
}

/// Locks a subject to the end of the transaction.
pub(super) async fn subject(connection: &mut Connection, subject: Subject<'_>) -> Result<()> {
    let (kind, name) = match subject {
        Subject::Host(id) => ("latchwork host ", id),
        Subject::Versions => ("latchwork versions", ""),
        Subject::Chains => ("latchwork chains", ""),
        Subject::Secrets => ("latchwork secrets", ""),
    };
    let lock = sqlx::query("select pg_advisory_xact_lock(hashtextextended($1 || $2, 0))");
    lock.bind(kind).bind(name).execute(connection).await?;
    Ok(())
}

/// Keeps an incarnation from ending before the transaction has.
pub(super) async fn living(connection: &mut Connection, incarnation: IncarnationId) -> Result<()> {
    let lock = sqlx::query("select id from incarnations where id = $1 for key share");
    lock.bind(incarnation.to_string()).execute(connection).await?;
    Ok(())
}

/// Waits for what an incarnation is writing, and keeps it from writing more.
pub(super) async fn ending(connection: &mut Connection, incarnation: IncarnationId) -> Result<()> {
    let lock = sqlx::query("select id from incarnations where id = $1 for update");
    lock.bind(incarnation.to_string()).execute(connection).await?;
    Ok(())
}

/// Locks jobs, and those that fire after them.
pub(super) async fn jobs(connection: &mut Connection, jobs: &[JobId]) -> Result<()> {
    let lock = sqlx::query(
        "with recursive chain (id) as (\
           select unnest($1) collate \"C\" \
           union select jobs.id from chain join jobs on jobs.after_job_id = chain.id \
             where jobs.after_job_id is not null and jobs.is_deleted = false) \
         select id from jobs where id = any (array(select id from chain)) order by id for no key update",
    );
    lock.bind(texts(jobs)).execute(connection).await?;
    Ok(())
}

/// The same for the jobs of intervals.
pub(super) async fn jobs_of(connection: &mut Connection, intervals: &[IntervalId]) -> Result<()> {
    let lock = sqlx::query(
        "with recursive chain (id) as (\
           select job_id from intervals where id = any ($1) \
           union select jobs.id from chain join jobs on jobs.after_job_id = chain.id \
             where jobs.after_job_id is not null and jobs.is_deleted = false) \
         select id from jobs where id = any (array(select id from chain)) order by id for no key update",
    );
    lock.bind(texts(intervals)).execute(connection).await?;
    Ok(())
}

/// The same for the jobs that run a plugin.
pub(super) async fn jobs_on(connection: &mut Connection, plugin: &str) -> Result<()> {
    let lock = sqlx::query(
        "with recursive chain (id) as (\
           select id from jobs where plugin = $1 and is_deleted = false \
           union select jobs.id from chain join jobs on jobs.after_job_id = chain.id \
             where jobs.after_job_id is not null and jobs.is_deleted = false) \
         select id from jobs where id = any (array(select id from chain)) order by id for no key update",
    );
    lock.bind(plugin).execute(connection).await?;
    Ok(())
}

/// Locks intervals.
pub(super) async fn intervals(connection: &mut Connection, intervals: &[IntervalId]) -> Result<()> {
    let lock = sqlx::query(
        "select id from intervals where id = any ($1) \
         order by id for no key update",
    );
    lock.bind(texts(intervals)).execute(connection).await?;
    Ok(())
}

fn texts<T: ToString>(ids: &[T]) -> Vec<String> {
    ids.iter().map(T::to_string).collect()
}
