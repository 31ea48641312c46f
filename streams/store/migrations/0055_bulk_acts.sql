-- What people did with many leads at once, and what each was before and after, so that it can be undone.
create table bulk_acts (
    number bigint generated always as identity primary key,
    login text not null,
    act text not null,
    done_at timestamptz not null default now(),
    changed int not null,
    left_alone jsonb not null,
    undone_at timestamptz,
    put_back int
);

create table bulk_changes (
    number bigint not null references bulk_acts on delete cascade,
    area text not null,
    lead_id text not null,
    before jsonb not null,
    after jsonb not null,
    primary key (number, area, lead_id)
);
