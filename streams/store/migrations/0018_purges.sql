-- Purges of dead letters: who took away what an import left, and the file that it was written to before, by its SHA-256
-- (null until that file is whole). Never deleted.
create table purges (
    purge bigint generated always as identity primary key,
    source text not null,
    asked_by text not null,
    file text not null,
    letters bigint,
    export_hash text,
    asked_at timestamptz not null default now(),
    finished_at timestamptz
);

-- How many letters each took away, apart by the replay that had sent them again: accounts go on counting them.
create table purged_letters (
    purge bigint not null references purges,
    replay bigint references replays,
    letters bigint not null,
    unique nulls not distinct (purge, replay)
);
