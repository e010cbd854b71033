-- Secrets of workspaces, encrypted under a key that no database holds.
create table secrets (
    workspace_id text collate "C" not null,
    name text collate "C" not null,
    -- Version of the format, nonce, and the value encrypted and authenticated together with the two columns above.
    ciphertext bytea not null,
    -- Which key that was: a part of its hash, of which nobody learns the key.
    key_id text collate "C" not null,
    created_at bigint not null,
    updated_at bigint not null,
    primary key (workspace_id, name)
);
