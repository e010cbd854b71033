-- The earlier version gives every host every interval.
alter table intervals drop column requires;
alter table jobs drop column requires;
alter table incarnations reset (fillfactor);
alter table incarnations
    drop column drain_at,
    drop column address,
    drop column labels,
    drop column roles,
    drop column version;
