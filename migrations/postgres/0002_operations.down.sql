-- What the earlier version has no word for becomes the nearest that it has: a job for one instant is a manual one, and
-- whatever else made an interval was a trigger.
drop table events;
drop table checkpoints;
alter table tasks drop column is_suspect;
alter table segments drop column revision;

drop index idx_intervals_firing;
drop index idx_intervals_open;
drop index idx_intervals_unrun;
drop index idx_intervals_finished;
drop index idx_intervals_digest;
drop index idx_intervals_again;

alter table intervals drop constraint intervals_origin_check;

update intervals set origin = 'trigger' where origin not in ('schedule', 'fallback');

alter table intervals
    add constraint intervals_origin_check check (origin in ('schedule', 'trigger', 'fallback')),
    drop column caused_by,
    drop column backfill_id,
    drop column idempotency_key,
    drop column is_queued,
    drop column priority,
    drop column reopened,
    drop column deadline_at;

drop index idx_intervals_replaces;
create unique index idx_intervals_firing on intervals (job_id, scheduled_at) where origin = 'schedule';
create index idx_intervals_open on intervals (state, fired_at) where state in ('pending', 'running');

drop table backfills;

alter table jobs drop column once_at;

update jobs set type = 'manual', next_fire_at = null, next_scheduled_at = null where type = 'once';

alter table jobs
    drop constraint jobs_type_check,
    add constraint jobs_type_check check (type in ('interval', 'cron', 'manual')),
    drop column dst_gap,
    drop column dst_fold,
    drop column pause_reason,
    drop column failures_in_a_row,
    drop column warning,
    drop column next_scheduled_at,
    drop column after_job_id,
    drop column after_end,
    drop column rules,
    drop column key_bytes;
