-- Secrets of workspaces, encrypted under a key that no database holds.
create table secrets (
    workspace_id text not null,
    name text not null,
    -- Version of the format, nonce, and the value encrypted and authenticated together with the two columns above.
    ciphertext blob not null,
    -- Which key that was: a part of its hash, of which nobody learns the key.
    key_id text not null,
    created_at integer not null,
    updated_at integer not null,
    primary key (workspace_id, name)
);
