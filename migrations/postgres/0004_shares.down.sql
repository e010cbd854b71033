drop table rates;
alter table intervals drop column shares;
