-- The bytes of a component lie in its row, or in an object outside of the database that the row names. SQLite cannot let
-- a column be null that was not, so the table is made anew.

create table new_components (
    digest text primary key,
    imports text not null,
    size_bytes integer not null,
    -- The name of the object in the plugin store.
    object text,
    wasm blob,
    check ((wasm is null) = (object is not null))
);

insert into new_components (digest, imports, size_bytes, wasm)
select digest, imports, octet_length(wasm), wasm
from components;

drop table components;
alter table new_components rename to components;
