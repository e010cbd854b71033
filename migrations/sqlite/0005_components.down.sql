-- The earlier version knows of no objects. Without its bytes a version counts as damaged, which its next upload mends.
create table old_components (
    digest text primary key,
    imports text not null,
    wasm blob not null
);

insert into old_components (digest, imports, wasm)
select digest, imports, coalesce(wasm, x'')
from components;

drop table components;
alter table old_components rename to components;
