-- What became of identifiers that doors of before kept with white space or invisible signs at their ends: pseudonyms are
-- joined with the trimmed ones, other names are renamed, and an event id of which both forms were known stays.
create table trimmed_names (
    area text not null,
    what text not null,
    was text not null,
    now text not null,
    outcome text not null check (outcome in ('joined', 'renamed', 'known twice')),
    recorded_at timestamptz not null default now(),
    primary key (area, what, was)
);
