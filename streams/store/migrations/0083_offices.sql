-- What pages list and count warnings by, beside each warning: when was asked, in which department, and that nobody was
-- told, as the gateway was out of time.
alter table warnings
    add column asked_at timestamptz,
    add column department text,
    add column department_name text,
    add column late boolean not null default false;
update warnings w set asked_at = p.asked_at, department = p.department, late = p.judged_late
from prescriptions p where p.area = w.area and p.seq = w.seq;
alter table warnings alter column asked_at set not null;
create index warnings_by_institution on warnings (institution, asked_at, area, warning_id);
create index warnings_by_asking on warnings (asked_at, area, warning_id);

-- Who opened what doctors gave as their reasons, and for which purpose.
create table reason_views (
    area text not null,
    view bigint generated always as identity,
    warning_id text not null,
    seen_by text not null,
    purpose text not null,
    seen_at timestamptz not null default now(),
    primary key (area, view)
);
create index reason_views_by_warning on reason_views (area, warning_id);

-- What doctors did about the warnings of each rule at each institution within the last year, counted from time to time:
-- a weaker label than a decision. Found, confirmed and dismissed are of those against which somebody went on.
create table overrides (
    area text not null,
    institution text not null,
    rule_id text not null,
    told bigint not null,
    changed bigint not null,
    continued bigint not null,
    reasoned bigint not null,
    found bigint not null,
    confirmed bigint not null,
    dismissed bigint not null,
    primary key (area, institution, rule_id)
);
create index overrides_by_rule on overrides (rule_id);
