-- What the open findings of a lead come to, from each day on which that changes: a finding whose excuse may still
-- come counts from the day after. leads holds the last step. Derived from lead_findings and lead_lines.
create table lead_totals (
    area text not null,
    lead_id text not null,
    from_day date not null,
    findings int not null,
    people int not null,
    in_question numeric not null,
    in_fund numeric not null,
    loss numeric,
    lines int not null,
    lines_without_loss int not null,
    newest_day date,
    severity int not null,
    primary key (area, lead_id, from_day)
);

-- In which version of its lead a finding last changed, and by which rule set it was judged.
alter table lead_findings add column lead_version bigint not null default 0;
alter table lead_findings add column rule_set text not null default '';

-- Addresses of pages name a lead or finding by its hash alone.
create index leads_by_id on leads (lead_id);
create index lead_findings_by_id on lead_findings (finding_id);

-- Attempts to sign in that have not succeeded, for a quarter of an hour.
create table sign_in_attempts (
    attempt bigint generated always as identity primary key,
    login text not null,
    tried_at timestamptz not null default now()
);
create index sign_in_attempts_by_login on sign_in_attempts (login, tried_at);
