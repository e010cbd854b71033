-- Instants are integers: milliseconds since 1970-01-01T00:00:00Z. Identities are UUIDs as text.

-- One start of a host. Leases belong to it and end with it.
create table incarnations (
    id text primary key,
    host_id text not null,
    started_at integer not null,
    expires_at integer not null,
    ended_at integer
);

-- The bytes of plugins, by their SHA-256.
create table components (
    digest text primary key,
    imports text not null,
    wasm blob not null
);

-- Versions by name; the one uploaded last is current.
create table plugins (
    name text not null,
    digest text not null references components (digest),
    uploaded_at integer not null,
    primary key (name, digest)
);

create table jobs (
    id text primary key,
    workspace_id text not null,
    name text not null,
    plugin text not null,
    type text not null check (type in ('interval', 'cron', 'manual')),
    period_ms integer check ((type = 'interval') = (period_ms is not null)),
    anchor_at integer check ((type = 'interval') = (anchor_at is not null)),
    cron text check ((type = 'cron') = (cron is not null)),
    timezone text check ((type = 'cron') = (timezone is not null)),
    status text not null default 'active' check (status in ('active', 'paused')),
    is_deleted boolean not null default false,
    enable_recovery boolean not null,
    current_interval_id text,
    -- {"total":..,"completed":..,"failed":..,"running":..}, current to the second.
    interval_progress text,
    interval_started_at integer,
    next_fire_at integer,
    created_at integer not null,
    updated_at integer not null,
    tasks integer,
    policy text not null,
    grants text not null,
    payload text not null
);

create index idx_jobs_incomplete_intervals on jobs (type, status, is_deleted, current_interval_id)
where status = 'active' and is_deleted = false and current_interval_id is not null;

create index idx_jobs_due on jobs (next_fire_at)
where status = 'active' and is_deleted = false and next_fire_at is not null;

create table intervals (
    id text primary key,
    job_id text not null references jobs (id),
    state text not null check (
        state in (
            'pending', 'running', 'succeeded', 'failed', 'cancelled', 'abandoned', 'skipped', 'coalesced', 'missed'
        )
    ),
    reason text,
    origin text not null check (origin in ('schedule', 'trigger', 'fallback')),
    replaces text references intervals (id),
    digest text,
    is_tracked boolean not null,
    scheduled_at integer not null,
    fired_at integer not null,
    started_at integer,
    finished_at integer,
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

-- Makes double firing impossible.
create unique index idx_intervals_firing on intervals (job_id, scheduled_at) where origin = 'schedule';
create index idx_intervals_job on intervals (job_id, fired_at);
-- Both hold open intervals alone, however long the history is. SQLite takes them only for statements that repeat the
-- `where` word for word.
create index idx_intervals_open on intervals (state, fired_at) where state in ('pending', 'running');
create index idx_intervals_open_of_job on intervals (job_id, fired_at, id) where state in ('pending', 'running');

create table stages (
    interval_id text not null references intervals (id) on delete cascade,
    number integer not null,
    name text not null,
    first_index integer not null,
    tasks integer not null,
    -- The numbers of the stages that it waits for, a JSON array.
    waits_for text not null,
    is_open boolean not null,
    primary key (interval_id, number)
) without rowid;

create table segments (
    interval_id text not null references intervals (id) on delete cascade,
    number integer not null,
    stage integer not null,
    first_index integer not null,
    length integer not null,
    state text not null check (state in ('blocked', 'free', 'leased', 'waiting', 'done')),
    owner text check ((state = 'leased') = (owner is not null)),
    wake_at integer check ((state = 'waiting') = (wake_at is not null)),
    epoch integer not null default 0,
    done_count integer not null default 0,
    failed_count integer not null default 0,
    running_count integer not null default 0,
    -- One bit a task, lowest first; empty stands for no bits.
    done blob not null default x'',
    failed blob not null default x'',
    running blob not null default x'',
    primary key (interval_id, number)
);

create index idx_segments_claimable on segments (interval_id, number, state, wake_at)
where state in ('free', 'waiting');
create index idx_segments_held on segments (owner, interval_id) where owner is not null;

-- Only tasks of which there is something to say: a failure, a pending retry, a crash survived. Whether such a task is
-- done by now is said by its segment's bitmaps alone.
create table tasks (
    interval_id text not null references intervals (id) on delete cascade,
    task_index integer not null,
    attempts integer not null default 0,
    crashes integer not null default 0,
    failure_kind text,
    failure_message text,
    retry_at integer,
    primary key (interval_id, task_index)
) without rowid;

create table outputs (
    interval_id text not null references intervals (id) on delete cascade,
    task_index integer not null,
    output blob not null,
    primary key (interval_id, task_index)
);

create table logs (
    id integer primary key,
    interval_id text not null references intervals (id) on delete cascade,
    -- None for a line of the plan.
    task_index integer,
    attempt integer not null,
    at integer not null,
    level text not null,
    message text not null
);

create index idx_logs_interval on logs (interval_id, id);

create table keys (
    job_id text not null references jobs (id) on delete cascade,
    key text not null,
    value blob not null,
    primary key (job_id, key)
);
