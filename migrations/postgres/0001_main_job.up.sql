-- Instants are bigints: milliseconds since 1970-01-01T00:00:00Z. Identities are UUIDs as text.

-- One start of a host. Leases belong to it and end with it.
create table incarnations (
    id text collate "C" primary key,
    host_id text collate "C" not null,
    started_at bigint not null,
    expires_at bigint not null,
    ended_at bigint
);

-- The bytes of plugins, by their SHA-256.
create table components (
    digest text collate "C" primary key,
    imports text not null,
    wasm bytea not null
);

-- Versions by name; the one uploaded last is current.
create table plugins (
    name text collate "C" not null,
    digest text collate "C" not null references components (digest),
    uploaded_at bigint not null,
    primary key (name, digest)
);

create table jobs (
    id text collate "C" primary key,
    workspace_id text collate "C" not null,
    name text collate "C" not null,
    plugin text collate "C" not null,
    type text not null check (type in ('interval', 'cron', 'manual')),
    period_ms bigint check ((type = 'interval') = (period_ms is not null)),
    anchor_at bigint check ((type = 'interval') = (anchor_at is not null)),
    cron text check ((type = 'cron') = (cron is not null)),
    timezone text check ((type = 'cron') = (timezone is not null)),
    status text not null default 'active' check (status in ('active', 'paused')),
    is_deleted boolean not null default false,
    enable_recovery boolean not null,
    current_interval_id text collate "C",
    -- {"total":..,"completed":..,"failed":..,"running":..}, current to the second.
    interval_progress text,
    interval_started_at bigint,
    next_fire_at bigint,
    created_at bigint not null,
    updated_at bigint not null,
    tasks bigint,
    policy text not null,
    grants text not null,
    payload text not null
);

create index idx_jobs_incomplete_intervals on jobs (type, status, is_deleted, current_interval_id)
where status = 'active' and is_deleted = false and current_interval_id is not null;

create index idx_jobs_due on jobs (next_fire_at)
where status = 'active' and is_deleted = false and next_fire_at is not null;

create table intervals (
    id text collate "C" primary key,
    job_id text collate "C" not null references jobs (id),
    state text not null check (
        state in (
            'pending', 'running', 'succeeded', 'failed', 'cancelled', 'abandoned', 'skipped', 'coalesced', 'missed'
        )
    ),
    reason text,
    origin text not null check (origin in ('schedule', 'trigger', 'fallback')),
    replaces text collate "C" references intervals (id),
    digest text collate "C",
    is_tracked boolean not null,
    scheduled_at bigint not null,
    fired_at bigint not null,
    started_at bigint,
    finished_at bigint,
    total bigint not null default 0,
    -- Final once the interval has ended; until then its segments hold the truth.
    completed bigint not null default 0,
    failed bigint not null default 0,
    duplicates bigint not null default 0,
    recovery_attempts bigint not null default 0,
    fruitless_recoveries bigint not null default 0,
    settled_before bigint,
    -- The incarnation that makes the plan.
    owner text collate "C",
    plan_attempts bigint not null default 0,
    plan_at bigint,
    tasks bigint,
    policy text not null,
    grants text not null,
    payload text not null
);

-- Makes double firing impossible.
create unique index idx_intervals_firing on intervals (job_id, scheduled_at) where origin = 'schedule';
create index idx_intervals_job on intervals (job_id, fired_at);
-- Both hold open intervals alone, however long the history is.
create index idx_intervals_open on intervals (state, fired_at) where state in ('pending', 'running');
create index idx_intervals_open_of_job on intervals (job_id, fired_at, id) where state in ('pending', 'running');

create table stages (
    interval_id text collate "C" not null references intervals (id) on delete cascade,
    number bigint not null,
    name text collate "C" not null,
    first_index bigint not null,
    tasks bigint not null,
    -- The numbers of the stages that it waits for, a JSON array.
    waits_for text not null,
    is_open boolean not null,
    primary key (interval_id, number)
);

-- A page keeps room for new versions of its rows: writing bits then leaves the indices alone.
create table segments (
    interval_id text collate "C" not null references intervals (id) on delete cascade,
    number bigint not null,
    stage bigint not null,
    first_index bigint not null,
    length bigint not null,
    state text not null check (state in ('blocked', 'free', 'leased', 'waiting', 'done')),
    owner text collate "C" check ((state = 'leased') = (owner is not null)),
    wake_at bigint check ((state = 'waiting') = (wake_at is not null)),
    epoch bigint not null default 0,
    done_count bigint not null default 0,
    failed_count bigint not null default 0,
    running_count bigint not null default 0,
    -- One bit a task, lowest first; empty stands for no bits.
    done bytea not null default '',
    failed bytea not null default '',
    running bytea not null default '',
    primary key (interval_id, number)
) with (fillfactor = 70);

create index idx_segments_claimable on segments (interval_id, number, state, wake_at)
where state in ('free', 'waiting');
create index idx_segments_held on segments (owner, interval_id) where owner is not null;

-- Only tasks of which there is something to say: a failure, a pending retry, a crash survived. Whether such a task is
-- done by now is said by its segment's bitmaps alone.
create table tasks (
    interval_id text collate "C" not null references intervals (id) on delete cascade,
    task_index bigint not null,
    attempts bigint not null default 0,
    crashes bigint not null default 0,
    failure_kind text,
    failure_message text,
    retry_at bigint,
    primary key (interval_id, task_index)
);

create table outputs (
    interval_id text collate "C" not null references intervals (id) on delete cascade,
    task_index bigint not null,
    output bytea not null,
    primary key (interval_id, task_index)
);

create table logs (
    id bigint generated by default as identity primary key,
    interval_id text collate "C" not null references intervals (id) on delete cascade,
    -- None for a line of the plan.
    task_index bigint,
    attempt bigint not null,
    at bigint not null,
    level text not null,
    message text not null
);

create index idx_logs_interval on logs (interval_id, id);

create table keys (
    job_id text collate "C" not null references jobs (id) on delete cascade,
    -- Bytes: a text here holds no NUL, and compares by the locale.
    key bytea not null,
    value bytea not null,
    primary key (job_id, key)
);
