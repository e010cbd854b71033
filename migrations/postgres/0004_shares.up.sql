-- What the hosts of one interval, or of one job, share.

-- How many of its lanes each incarnation may run, in JSON; of one that holds none of its segments that says nothing.
alter table intervals add column shares text;

-- Up to which instant the tasks of a job that have begun, or are about to, have used up its rate: nanoseconds since
-- 1970-01-01T00:00:00Z. Only jobs with a rate limit have a row. Pages keep room for new versions of their rows.
create table rates (
    job_id text collate "C" primary key references jobs (id) on delete cascade,
    used_until bigint not null
) with (fillfactor = 50);
