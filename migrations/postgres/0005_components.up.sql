-- The bytes of a component lie in its row, or in an object outside of the database that the row names.

alter table components
    add column size_bytes bigint not null default 0,
    -- The name of the object in the plugin store.
    add column object text collate "C",
    alter column wasm drop not null,
    add check ((wasm is null) = (object is not null));

alter table components alter column size_bytes drop default;

update components set size_bytes = octet_length(wasm);
