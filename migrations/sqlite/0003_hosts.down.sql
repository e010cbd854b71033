-- The earlier version gives every host every interval.
alter table intervals drop column requires;
alter table jobs drop column requires;
alter table incarnations drop column drain_at;
alter table incarnations drop column address;
alter table incarnations drop column labels;
alter table incarnations drop column roles;
alter table incarnations drop column version;
