-- What doctors did about warnings (3103). Of several about one warning the latest counts; a reason may name somebody and
-- is sealed.
create table replies (
    area text not null,
    warning_id text not null,
    seq bigint not null,
    event_id text not null,
    institution text not null,
    replied_at timestamptz not null,
    phase text not null check (phase in ('before', 'during')),
    way text not null check (way in ('continue', 'change')),
    reason text,
    source text not null,
    recorded_at timestamptz not null default now(),
    primary key (area, warning_id, seq)
);
