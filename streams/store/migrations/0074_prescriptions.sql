-- Requests about orders that are not billed yet (3101, 3102), one row for each encounter that one names. Apart from
-- events, which windows after the settlement are read from. last_day is the last over which one of its orders runs, or
-- on which it was asked. What was answered: code, the set that judged (none where nothing was), the arrival number up
-- to which, rules that were not asked. What was not judged before the answer is judged when it is stored (judged_late).
create table prescriptions (
    area text not null,
    patient text not null,
    last_day date not null,
    seq bigint not null,
    event_id text not null,
    institution text not null,
    encounter_id text not null,
    phase text not null check (phase in ('before', 'during')),
    asked_at timestamptz not null,
    department text,
    practitioner text,
    code text,
    answered_at timestamptz,
    rule_set text,
    as_of bigint,
    judged_late boolean not null default false,
    not_asked text[] not null default '{}',
    source text not null,
    digest bytea not null,
    generation smallint not null,
    recorded_at timestamptz not null default now(),
    primary key (area, patient, last_day, seq)
);
alter table prescriptions alter column digest set storage external;
create unique index prescriptions_by_seq on prescriptions (area, seq);
create index prescriptions_by_code on prescriptions (code) where code is not null;
create index prescriptions_by_institution on prescriptions (institution, asked_at);
