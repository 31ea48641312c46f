-- What machines come with instead of a person's password: kept as a hash, with what it may do, where it may look (null:
-- everywhere), and until when.
create table tokens (
    name text primary key,
    token_hash bytea not null unique,
    rights text[] not null,
    areas text[],
    institutions text[],
    ends_at timestamptz not null,
    created_at timestamptz not null default now(),
    created_by text not null,
    revoked_at timestamptz,
    used_at timestamptz
);
