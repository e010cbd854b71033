-- Hosts that differ: what each does, what it offers, and what jobs ask for.

alter table incarnations add column version text not null default '';
alter table incarnations add column roles text not null default 'api,scheduler,worker';
-- {"name":"value",..}
alter table incarnations add column labels text not null default '{}' check (json_valid(labels));
-- Where its API listens.
alter table incarnations add column address text not null default '';
-- When it was asked to finish and leave.
alter table incarnations add column drain_at integer;

-- The labels that a host must have to run the job: {"name":"value",..}.
alter table jobs add column requires text not null default '{}' check (json_valid(requires));
-- The interval's own copy.
alter table intervals add column requires text not null default '{}' check (json_valid(requires));
