-- Hosts that differ: what each does, what it offers, and what jobs ask for.

alter table incarnations
    add column version text not null default '',
    add column roles text not null default 'api,scheduler,worker',
    -- {"name":"value",..}
    add column labels text not null default '{}' check (jsonb_typeof(labels::jsonb) = 'object'),
    -- Where its API listens.
    add column address text not null default '',
    -- When it was asked to finish and leave.
    add column drain_at bigint;

-- A page keeps room for new versions of its rows: a heartbeat then leaves the index alone.
alter table incarnations set (fillfactor = 50);

-- The labels that a host must have to run the job: {"name":"value",..}.
alter table jobs add column requires text not null default '{}' check (jsonb_typeof(requires::jsonb) = 'object');
-- The interval's own copy.
alter table intervals
    add column requires text not null default '{}' check (jsonb_typeof(requires::jsonb) = 'object');
