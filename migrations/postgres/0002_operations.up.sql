-- Rules of firing, operations and what plugins keep.

alter table jobs
    add column dst_gap text,
    add column dst_fold text,
    add column once_at bigint,
    add column pause_reason text,
    -- Intervals in a row that failed or were abandoned.
    add column failures_in_a_row bigint not null default 0,
    add column warning text,
    -- When the next firing is due by the schedule; `next_fire_at` is later by the jitter.
    add column next_scheduled_at bigint,
    -- The job at whose end this one fires, and at which end.
    add column after_job_id text collate "C" references jobs (id),
    add column after_end text,
    add column rules text not null default '{}',
    -- What the rows in `keys` take, kept current by whoever writes them.
    add column key_bytes bigint not null default 0;

alter table jobs alter column rules drop default;

update jobs
set
    dst_gap = case when type = 'cron' then 'shift' end,
    dst_fold = case when type = 'cron' then 'once' end,
    pause_reason = case when status = 'paused' then 'paused before the upgrade' end,
    next_scheduled_at = next_fire_at,
    key_bytes = (select coalesce(sum(octet_length(key) + octet_length(value)), 0) from keys where job_id = jobs.id);

alter table jobs
    drop constraint jobs_type_check,
    add constraint jobs_type_check check (type in ('interval', 'cron', 'once', 'manual')),
    add check ((type = 'cron') = (dst_gap is not null)),
    add check ((type = 'cron') = (dst_fold is not null)),
    add check ((type = 'once') = (once_at is not null)),
    add check ((status = 'paused') = (pause_reason is not null)),
    add check ((next_scheduled_at is null) = (next_fire_at is null)),
    add check ((after_job_id is null) = (after_end is null));

create index idx_jobs_after on jobs (after_job_id) where after_job_id is not null and is_deleted = false;

-- A past range of a job's schedule that is run, or run again.
create table backfills (
    id text collate "C" primary key,
    job_id text collate "C" not null references jobs (id) on delete cascade,
    -- Which of the range's firings: all, those that failed, or those without a good interval.
    mode text not null check (mode in ('all', 'failed', 'missing')),
    state text not null check (state in ('running', 'finished', 'cancelled')),
    from_at bigint not null,
    until_at bigint not null,
    -- Firings before this instant are dealt with; the end is behind the range.
    next_at bigint not null,
    -- How many of its intervals are open at a time at most.
    max_parallel bigint not null,
    planned bigint not null,
    fired bigint not null default 0,
    created_at bigint not null,
    finished_at bigint
);

create index idx_backfills_running on backfills (job_id, created_at) where state = 'running';

alter table intervals
    -- The interval whose end fired it.
    add column caused_by text collate "C" references intervals (id),
    add column backfill_id text collate "C" references backfills (id),
    add column idempotency_key text collate "C",
    -- Pending behind the job's open interval, not to be planned yet.
    add column is_queued boolean not null default false,
    add column priority bigint not null default 0,
    -- How often it was opened again after its end: whoever took it up before that must let go.
    add column reopened bigint not null default 0,
    -- When an open interval is ended for taking too long.
    add column deadline_at bigint,
    drop constraint intervals_origin_check,
    add constraint intervals_origin_check check (
        origin in ('schedule', 'trigger', 'backfill', 'chain', 'fallback', 'upgrade')
    );

-- Makes double firing impossible. By the time first: so all that fire together are neighbours, however long the history.
drop index idx_intervals_firing;
create unique index idx_intervals_firing on intervals (scheduled_at, job_id) where origin = 'schedule';
-- Makes a trigger that is asked for twice happen once.
create unique index idx_intervals_idempotency on intervals (job_id, idempotency_key)
where idempotency_key is not null;
-- What became of a past firing later.
create index idx_intervals_again on intervals (job_id, scheduled_at)
where origin in ('backfill', 'fallback', 'upgrade');
-- How many firings of a job did not run, and which jobs have history that is new. An index of all that has ended by job
-- would have each end write a page of its own.
create index idx_intervals_unrun on intervals (job_id) where state in ('skipped', 'coalesced', 'missed');
create index idx_intervals_finished on intervals (finished_at, job_id) where finished_at is not null;
-- These hold open intervals alone, however long the history is.
drop index idx_intervals_open;
create index idx_intervals_open on intervals (state, priority desc, fired_at) where state in ('pending', 'running');
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
alter table segments add column revision bigint not null default 0;

-- What a task saved in the middle, for its next attempt.
create table checkpoints (
    interval_id text collate "C" not null references intervals (id) on delete cascade,
    task_index bigint not null,
    bytes bytea not null,
    saved_at bigint not null,
    primary key (interval_id, task_index)
);

-- What tasks told whoever watches their interval.
create table events (
    id bigint generated by default as identity primary key,
    interval_id text collate "C" not null references intervals (id) on delete cascade,
    -- None for an event of the plan.
    task_index bigint,
    at bigint not null,
    name text not null,
    body text not null
);

create index idx_events_interval on events (interval_id, id);
