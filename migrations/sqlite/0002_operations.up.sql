-- Rules of firing, operations and what plugins keep. SQLite cannot change a check, so `jobs` and `intervals` are made
-- anew; migrations run without foreign keys, or dropping a table would take the rows that refer to it along.

create table new_jobs (
    id text primary key,
    workspace_id text not null,
    name text not null,
    plugin text not null,
    type text not null check (type in ('interval', 'cron', 'once', 'manual')),
    period_ms integer check ((type = 'interval') = (period_ms is not null)),
    anchor_at integer check ((type = 'interval') = (anchor_at is not null)),
    cron text check ((type = 'cron') = (cron is not null)),
    timezone text check ((type = 'cron') = (timezone is not null)),
    dst_gap text check ((type = 'cron') = (dst_gap is not null)),
    dst_fold text check ((type = 'cron') = (dst_fold is not null)),
    once_at integer check ((type = 'once') = (once_at is not null)),
    status text not null default 'active' check (status in ('active', 'paused')),
    pause_reason text check ((status = 'paused') = (pause_reason is not null)),
    -- Intervals in a row that failed or were abandoned.
    failures_in_a_row integer not null default 0,
    warning text,
    is_deleted boolean not null default false,
    enable_recovery boolean not null,
    current_interval_id text,
    -- {"total":..,"completed":..,"failed":..,"running":..}, current to the second.
    interval_progress text,
    interval_started_at integer,
    -- When the next firing is due by the schedule, and when it is fired: later by the jitter.
    next_scheduled_at integer check ((next_scheduled_at is null) = (next_fire_at is null)),
    next_fire_at integer,
    -- The job at whose end this one fires, and at which end.
    after_job_id text references jobs (id),
    after_end text check ((after_job_id is null) = (after_end is null)),
    created_at integer not null,
    updated_at integer not null,
    tasks integer,
    rules text not null,
    policy text not null,
    grants text not null,
    payload text not null,
    -- What the rows in `keys` take, kept current by whoever writes them.
    key_bytes integer not null default 0
);

insert into new_jobs (
    id, workspace_id, name, plugin, type, period_ms, anchor_at, cron, timezone, dst_gap, dst_fold, status,
    pause_reason, is_deleted, enable_recovery, current_interval_id, interval_progress, interval_started_at,
    next_scheduled_at, next_fire_at, created_at, updated_at, tasks, rules, policy, grants, payload, key_bytes
)
select
    id, workspace_id, name, plugin, type, period_ms, anchor_at, cron, timezone,
    case when type = 'cron' then 'shift' end, case when type = 'cron' then 'once' end, status,
    case when status = 'paused' then 'paused before the upgrade' end, is_deleted, enable_recovery,
    current_interval_id, interval_progress, interval_started_at, next_fire_at, next_fire_at, created_at, updated_at,
    tasks, '{}', policy, grants, payload,
    (select coalesce(sum(length(cast(key as blob)) + length(value)), 0) from keys where job_id = jobs.id)
from jobs;

drop table jobs;
alter table new_jobs rename to jobs;

create index idx_jobs_incomplete_intervals on jobs (type, status, is_deleted, current_interval_id)
where status = 'active' and is_deleted = false and current_interval_id is not null;

create index idx_jobs_due on jobs (next_fire_at)
where status = 'active' and is_deleted = false and next_fire_at is not null;

create index idx_jobs_after on jobs (after_job_id) where after_job_id is not null and is_deleted = false;

-- A past range of a job's schedule that is run, or run again.
create table backfills (
    id text primary key,
    job_id text not null references jobs (id) on delete cascade,
    -- Which of the range's firings: all, those that failed, or those without a good interval.
    mode text not null check (mode in ('all', 'failed', 'missing')),
    state text not null check (state in ('running', 'finished', 'cancelled')),
    from_at integer not null,
    until_at integer not null,
    -- Firings before this instant are dealt with; the end is behind the range.
    next_at integer not null,
    -- How many of its intervals are open at a time at most.
    max_parallel integer not null,
    planned integer not null,
    fired integer not null default 0,
    created_at integer not null,
    finished_at integer
);

create index idx_backfills_running on backfills (job_id, created_at) where state = 'running';

create table new_intervals (
    id text primary key,
    job_id text not null references jobs (id),
    state text not null check (
        state in (
            'pending', 'running', 'succeeded', 'failed', 'cancelled', 'abandoned', 'skipped', 'coalesced', 'missed'
        )
    ),
    reason text,
    origin text not null check (
        origin in ('schedule', 'trigger', 'backfill', 'chain', 'fallback', 'upgrade')
    ),
    -- The interval whose place it takes, or whose end fired it.
    replaces text references intervals (id),
    caused_by text references intervals (id),
    backfill_id text references backfills (id),
    idempotency_key text,
    digest text,
    is_tracked boolean not null,
    -- Pending behind the job's open interval, not to be planned yet.
    is_queued boolean not null default false,
    priority integer not null default 0,
    scheduled_at integer not null,
    fired_at integer not null,
    started_at integer,
    finished_at integer,
    -- How often it was opened again after its end: whoever took it up before that must let go.
    reopened integer not null default 0,
    -- When an open interval is ended for taking too long.
    deadline_at integer,
    total integer not null default 0,
    -- Final once the interval has ended; until then its segments hold the truth.
    completed integer not null default 0,
    failed integer not null default 0,
    duplicates integer not null default 0,
    recovery_attempts integer not null default 0,
    fruitless_recoveries integer not null default 0,
    settled_before integer,
    -- The incarnation that makes the plan.
    owner text,
    plan_attempts integer not null default 0,
    plan_at integer,
    tasks integer,
    policy text not null,
    grants text not null,
    payload text not null
);

insert into new_intervals (
    id, job_id, state, reason, origin, replaces, digest, is_tracked, scheduled_at, fired_at, started_at, finished_at,
    total, completed, failed, duplicates, recovery_attempts, fruitless_recoveries, settled_before, owner,
    plan_attempts, plan_at, tasks, policy, grants, payload
)
select
    id, job_id, state, reason, origin, replaces, digest, is_tracked, scheduled_at, fired_at, started_at, finished_at,
    total, completed, failed, duplicates, recovery_attempts, fruitless_recoveries, settled_before, owner,
    plan_attempts, plan_at, tasks, policy, grants, payload
from intervals;

drop table intervals;
alter table new_intervals rename to intervals;

-- Makes double firing impossible. By the time first: so all that fire together are neighbours, however long the history.
create unique index idx_intervals_firing on intervals (scheduled_at, job_id) where origin = 'schedule';
-- Makes a trigger that is asked for twice happen once.
create unique index idx_intervals_idempotency on intervals (job_id, idempotency_key)
where idempotency_key is not null;
create index idx_intervals_job on intervals (job_id, fired_at);
-- What became of a past firing later.
create index idx_intervals_again on intervals (job_id, scheduled_at)
where origin in ('backfill', 'fallback', 'upgrade');
-- How many firings of a job did not run, and which jobs have history that is new. An index of all that has ended by job
-- would have each end write a page of its own.
create index idx_intervals_unrun on intervals (job_id) where state in ('skipped', 'coalesced', 'missed');
create index idx_intervals_finished on intervals (finished_at, job_id) where finished_at is not null;
-- These hold open intervals alone, however long the history is. SQLite takes them only for statements that repeat the
-- `where` word for word.
create index idx_intervals_open on intervals (state, priority desc, fired_at) where state in ('pending', 'running');
create index idx_intervals_open_of_job on intervals (job_id, fired_at, id) where state in ('pending', 'running');
create index idx_intervals_deadline on intervals (deadline_at)
where state in ('pending', 'running') and deadline_at is not null;
-- Finds what refers to an interval or a version that is to be removed.
create index idx_intervals_replaces on intervals (replaces) where replaces is not null;
create index idx_intervals_caused_by on intervals (caused_by) where caused_by is not null;
create index idx_intervals_digest on intervals (digest) where digest is not null;
create index idx_intervals_backfill on intervals (backfill_id) where backfill_id is not null;

-- Tasks that one more crash would fail as poison: each runs alone.
alter table tasks add column is_suspect boolean not null default false;

-- Larger with every write of the segment: tells whether a write whose answer was lost has been made.
alter table segments add column revision integer not null default 0;

-- What a task saved in the middle, for its next attempt.
create table checkpoints (
    interval_id text not null references intervals (id) on delete cascade,
    task_index integer not null,
    bytes blob not null,
    saved_at integer not null,
    primary key (interval_id, task_index)
);

-- What tasks told whoever watches their interval.
create table events (
    id integer primary key,
    interval_id text not null references intervals (id) on delete cascade,
    -- None for an event of the plan.
    task_index integer,
    at integer not null,
    name text not null,
    body text not null
);

create index idx_events_interval on events (interval_id, id);
