-- The earlier version knows of no secrets: they have to be stored again.
drop table secrets;
