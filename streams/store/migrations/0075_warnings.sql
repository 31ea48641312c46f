-- What hospitals were warned of. A warning is no finding: it is in no lead and no sum. finding_id is what a finding of
-- the same rule on the same occurrence would be called, and so the link to one that comes later. repeats names the
-- warning of the same encounter and phase that said it first: then it was not said again.
create table warnings (
    area text not null,
    warning_id text not null,
    seq bigint not null,
    institution text not null,
    encounter_id text not null,
    phase text not null,
    repeats text,
    rule_id text not null,
    finding_id text not null,
    severity smallint not null,
    occurrence text[] not null,
    orders jsonb not null,
    value numeric not null,
    "limit" numeric not null,
    in_question numeric not null,
    said text not null,
    recorded_at timestamptz not null default now(),
    primary key (area, warning_id)
);
create index warnings_by_finding on warnings (area, finding_id);
create index warnings_by_time on warnings (seq);
