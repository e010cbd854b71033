-- What the earlier version has no word for becomes the nearest that it has: a job for one instant is a manual one, and
-- whatever else made an interval was a trigger.
drop table events;
drop table checkpoints;
alter table tasks drop column is_suspect;
alter table segments drop column revision;

create table old_intervals (
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
    completed integer not null default 0,
    failed integer not null default 0,
    duplicates integer not null default 0,
    recovery_attempts integer not null default 0,
    fruitless_recoveries integer not null default 0,
    settled_before integer,
    owner text,
    plan_attempts integer not null default 0,
    plan_at integer,
    tasks integer,
    policy text not null,
    grants text not null,
    payload text not null
);

insert into old_intervals
select
    id, job_id, state, reason, case when origin in ('schedule', 'fallback') then origin else 'trigger' end, replaces,
    digest, is_tracked, scheduled_at, fired_at, started_at, finished_at, total, completed, failed, duplicates,
    recovery_attempts, fruitless_recoveries, settled_before, owner, plan_attempts, plan_at, tasks, policy, grants,
    payload
from intervals;

drop table intervals;
alter table old_intervals rename to intervals;
create unique index idx_intervals_firing on intervals (job_id, scheduled_at) where origin = 'schedule';
create index idx_intervals_job on intervals (job_id, fired_at);
create index idx_intervals_open on intervals (state, fired_at) where state in ('pending', 'running');
create index idx_intervals_open_of_job on intervals (job_id, fired_at, id) where state in ('pending', 'running');

drop table backfills;

create table old_jobs (
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

insert into old_jobs
select
    id, workspace_id, name, plugin, case when type = 'once' then 'manual' else type end, period_ms, anchor_at, cron,
    timezone, status, is_deleted, enable_recovery, current_interval_id, interval_progress, interval_started_at,
    case when type = 'once' then null else next_fire_at end, created_at, updated_at, tasks, policy, grants, payload
from jobs;

drop table jobs;
alter table old_jobs rename to jobs;
create index idx_jobs_incomplete_intervals on jobs (type, status, is_deleted, current_interval_id)
where status = 'active' and is_deleted = false and current_interval_id is not null;
create index idx_jobs_due on jobs (next_fire_at)
where status = 'active' and is_deleted = false and next_fire_at is not null;
