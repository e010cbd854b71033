//! The oracle's own queries.

use serde::Deserialize;
use sqlx::FromRow;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use std::collections::BTreeSet;
use tokio::runtime::Handle;

pub(super) struct Rows {
    connection: SqliteConnection,
    threads: Handle,
    /// The incarnations that rows have ever named, and of those the ones that have ended: their rows are not kept.
    incarnations: BTreeSet<String>,
    ended: BTreeSet<String>,
}

/// All rows at one time; those that belong to intervals only of some.
#[derive(Debug, Deserialize)]
pub(super) struct Snapshot {
    pub(super) jobs: Vec<JobRow>,
    /// The ids of all intervals.
    pub(super) ids: BTreeSet<String>,
    pub(super) intervals: Vec<IntervalRow>,
    /// Stages that may not begin yet, by interval and number.
    pub(super) closed_stages: BTreeSet<(String, i64)>,
    pub(super) segments: Vec<SegmentRow>,
    pub(super) tasks: Vec<TaskRow>,
    pub(super) outputs: Vec<LeftRow>,
    pub(super) logs: Vec<LeftRow>,
    pub(super) events: Vec<LeftRow>,
    /// Up to when the rates of jobs are used up, in ns.
    pub(super) rates: Vec<(String, i64)>,
    /// Keys and their values.
    pub(super) keys: Vec<(String, String)>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct IntervalRow {
    /// By the oracle's count.
    #[serde(skip)]
    pub(super) number: usize,
    pub(super) id: String,
    pub(super) job_id: String,
    pub(super) state: String,
    pub(super) reason: Option<String>,
    pub(super) origin: String,
    pub(super) replaces: Option<String>,
    pub(super) caused_by: Option<String>,
    pub(super) digest: Option<String>,
    pub(super) backfill_id: Option<String>,
    pub(super) is_tracked: bool,
    pub(super) is_queued: bool,
    pub(super) reopened: i64,
    pub(super) scheduled_at: i64,
    pub(super) fired_at: i64,
    pub(super) started_at: Option<i64>,
    pub(super) finished_at: Option<i64>,
    pub(super) deadline_at: Option<i64>,
    pub(super) total: i64,
    pub(super) completed: i64,
    pub(super) failed: i64,
    pub(super) duplicates: i64,
    pub(super) recovery_attempts: i64,
}

impl IntervalRow {
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state.as_str(), "pending" | "running")
    }

    /// Whether it is no mere record of firings.
    pub(super) fn did_run(&self) -> bool {
        !matches!(self.state.as_str(), "skipped" | "coalesced" | "missed")
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct JobRow {
    pub(super) id: String,
    pub(super) is_deleted: bool,
    pub(super) is_paused: bool,
    pub(super) failures_in_a_row: i64,
    pub(super) current_interval_id: Option<String>,
    pub(super) next_scheduled_at: Option<i64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct SegmentRow {
    pub(super) interval_id: String,
    pub(super) number: i64,
    pub(super) stage: i64,
    pub(super) first_index: i64,
    pub(super) length: i64,
    pub(super) state: String,
    pub(super) owner: Option<String>,
    pub(super) epoch: i64,
    pub(super) done_count: i64,
    pub(super) failed_count: i64,
    pub(super) running_count: i64,
    #[serde(with = "hex")]
    pub(super) done: Vec<u8>,
    #[serde(with = "hex")]
    pub(super) failed: Vec<u8>,
    #[serde(with = "hex")]
    pub(super) running: Vec<u8>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TaskRow {
    pub(super) interval_id: String,
    pub(super) task_index: u32,
    pub(super) attempts: i64,
    pub(super) crashes: i64,
    pub(super) failure_kind: Option<String>,
}

/// Something that a call left, and where.
#[derive(Debug, Deserialize)]
pub(super) struct LeftRow {
    pub(super) interval_id: String,
    pub(super) task_index: Option<u32>,
    pub(super) text: String,
}

/// One query for all of it: most of a run's time is the way to the database and back.
const SNAPSHOT: &str = "with live as materialized (\
      select id from intervals where id not in (select value from json_each(?))) \
    select json_object(\
      'jobs', (select json_group_array(json_object('id', id, 'is_deleted', iif(is_deleted, json('true'), json('false')), \
        'is_paused', iif(status = 'paused', json('true'), json('false')), 'failures_in_a_row', failures_in_a_row, \
        'current_interval_id', current_interval_id, 'next_scheduled_at', next_scheduled_at)) from jobs), \
      'ids', (select json_group_array(id) from intervals), \
      'intervals', (select json_group_array(json_object('id', id, 'job_id', job_id, 'state', state, 'reason', reason, \
        'origin', origin, 'replaces', replaces, 'caused_by', caused_by, 'digest', digest, \
        'backfill_id', backfill_id, 'is_tracked', iif(is_tracked, json('true'), json('false')), \
        'is_queued', iif(is_queued, json('true'), json('false')), 'reopened', reopened, \
        'scheduled_at', scheduled_at, 'fired_at', fired_at, 'started_at', started_at, 'finished_at', finished_at, 'deadline_at', deadline_at, 'total', total, 'completed', completed, 'failed', failed, \
        'duplicates', duplicates, 'recovery_attempts', recovery_attempts) order by rowid) \
        from intervals where id in live), \
      'closed_stages', (select json_group_array(json_array(interval_id, number)) from stages \
        where not is_open and interval_id in live), \
      'segments', (select json_group_array(json_object('interval_id', interval_id, 'number', number, 'stage', stage, \
        'first_index', first_index, 'length', length, 'state', state, 'owner', owner, 'epoch', epoch, \
        'done_count', done_count, 'failed_count', failed_count, 'running_count', running_count, \
        'done', hex(done), 'failed', hex(failed), 'running', hex(running)) order by interval_id, number) \
        from segments where interval_id in live), \
      'tasks', (select json_group_array(json_object('interval_id', interval_id, 'task_index', task_index, \
        'attempts', attempts, 'crashes', crashes, 'failure_kind', failure_kind) order by interval_id, task_index) \
        from tasks where interval_id in live), \
      'outputs', (select json_group_array(json_object('interval_id', interval_id, 'task_index', task_index, \
        'text', cast(output as text))) from outputs where interval_id in live), \
      'logs', (select json_group_array(json_object('interval_id', interval_id, 'task_index', task_index, \
        'text', message)) from logs where interval_id in live), \
      'events', (select json_group_array(json_object('interval_id', interval_id, 'task_index', task_index, \
        'text', body)) from events where interval_id in live), \
      'rates', (select json_group_array(json_array(job_id, used_until)) from rates), \
      'keys', (select json_group_array(json_array(key, cast(value as text))) from keys))";

/// All that rows say of a task that is about to be called.
#[derive(Debug, FromRow)]
pub(super) struct CalledRow {
    pub(super) state: String,
    pub(super) job_id: String,
    pub(super) digest: Option<String>,
    pub(super) is_tracked: bool,
    pub(super) reopened: i64,
    pub(super) plan_attempts: i64,
    pub(super) owner: Option<String>,
    pub(super) first_index: Option<i64>,
    pub(super) done: Option<Vec<u8>>,
    pub(super) failed: Option<Vec<u8>>,
    pub(super) running: Option<Vec<u8>>,
    pub(super) attempts: Option<i64>,
    pub(super) retry_at: Option<i64>,
}

impl Rows {
    pub(super) fn new(connection: SqliteConnection, threads: Handle) -> Self {
        Self { connection, threads, incarnations: BTreeSet::new(), ended: BTreeSet::new() }
    }

    fn all<T>(&mut self, sql: &'static str, bound: &str) -> Vec<T>
    where
        T: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        let _context = self.threads.enter();
        let rows = sqlx::query_as(sql).bind(bound).fetch_all(&mut self.connection);
        futures::executor::block_on(tokio::task::unconstrained(rows)).unwrap()
    }

    /// Another one whenever rows have changed.
    pub(super) fn version(&mut self) -> i64 {
        self.all::<(i64,)>("pragma data_version", "")[0].0
    }

    /// Everything, but what belongs to the intervals in a list.
    pub(super) fn snapshot(&mut self, without: &BTreeSet<&str>) -> Snapshot {
        let found: Vec<(String,)> = self.all(SNAPSHOT, &serde_json::to_string(without).unwrap());
        serde_json::from_str(&found[0].0).unwrap()
    }

    /// The incarnations that rows have ever said to have ended.
    pub(super) fn ended_incarnations(&mut self) -> &BTreeSet<String> {
        let rows: Vec<(String, bool)> = self.all("select id, ended_at is not null from incarnations", "");
        let open: BTreeSet<&String> = rows.iter().filter(|(_, is_ended)| !is_ended).map(|(id, _)| id).collect();
        self.incarnations.extend(rows.iter().map(|(id, _)| id.clone()));
        self.ended.extend(self.incarnations.iter().filter(|id| !open.contains(id)).cloned());
        &self.ended
    }

    /// What is running in each segment that somebody holds: its interval, its first index, the bits, the holder.
    pub(super) fn held(&mut self) -> Vec<(String, i64, Vec<u8>, String)> {
        self.all(
            "select interval_id, first_index, running, owner from segments              where owner is not null and running is not null order by interval_id, number",
            "",
        )
    }

    /// Whether some row says that an incarnation works on it.
    pub(super) fn is_named(&mut self, incarnation: &str) -> bool {
        let named: Vec<(i64,)> = self.all(
            "select 1 from segments where owner = ?1 union all select 1 from intervals where owner = ?1",
            incarnation,
        );
        !named.is_empty()
    }

    /// Whether some incarnation has ended or has let its lease run out by an instant.
    pub(super) fn has_dead_incarnation(&mut self, latest_ms: i64) -> bool {
        let expired: Vec<(i64,)> =
            self.all("select 1 from incarnations where expires_at < cast(? as integer)", &latest_ms.to_string());
        !expired.is_empty() || !self.ended_incarnations().is_empty()
    }

    /// The rows of what is open, for people: one text each.
    pub(super) fn of_open_work(&mut self) -> Vec<String> {
        let rows: Vec<(String,)> = self.all(
            "select 'incarnation ' || id || ' of ' || host_id || ' expires at ' || expires_at || ', ended at ' \
               || coalesce(ended_at, 'never') from incarnations \
             union all select 'interval ' || id || ' of job ' || job_id || ' is ' || state || ', owner ' \
               || coalesce(owner, 'none') || ', plan at ' || coalesce(plan_at, 'once') from intervals \
               where state in ('pending', 'running') \
             union all select 'segment ' || number || ' of ' || interval_id || ' is ' || state || ', owner ' \
               || coalesce(owner, 'none') || ', ' || done_count || ' done, ' || failed_count || ' failed, ' \
               || running_count || ' running of ' || length || ', wakes at ' || coalesce(wake_at, 'once') \
               from segments where state <> 'done' and interval_id in (\
                 select id from intervals where state in ('pending', 'running'))",
            "",
        );
        rows.into_iter().map(|(text,)| text).collect()
    }

    pub(super) fn called(&mut self, interval: &str, index: i64) -> Option<CalledRow> {
        let _context = self.threads.enter();
        let row = sqlx::query_as(
            "select i.state, i.job_id, i.digest, is_tracked, reopened, plan_attempts, s.owner, first_index, done, s.failed, running, \
             attempts, retry_at from intervals i \
             left join segments s on s.interval_id = i.id and first_index <= ?2 and first_index + length > ?2 \
             left join tasks t on t.interval_id = i.id and t.task_index = ?2 where i.id = ?1",
        );
        let row = row.bind(interval).bind(index).fetch_optional(&mut self.connection);
        futures::executor::block_on(tokio::task::unconstrained(row)).unwrap()
    }
}
