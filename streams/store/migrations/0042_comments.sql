-- What people write to each other about a lead. Append-only: taking one back is noted beside it.
create table comments (
    area text not null,
    comment_id bigint generated always as identity,
    lead_id text not null,
    words text not null,
    written_by text not null,
    recorded_at timestamptz not null default now(),
    taken_back_at timestamptz,
    primary key (area, comment_id)
);
create index comments_by_lead on comments (area, lead_id);
