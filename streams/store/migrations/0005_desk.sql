-- From this day on the lead's own row says what it comes to; before it, lead_totals does. So the queue reads leads alone
-- but for the few whose newest finding may still be excused.
alter table leads add column counts_from date not null default '0001-01-01';
update leads l set counts_from = t.from_day
from (select area, lead_id, max(from_day) as from_day from lead_totals group by 1, 2) t
where t.area = l.area and t.lead_id = l.lead_id and t.from_day > l.counts_from;
create index leads_by_counts_from on leads (counts_from);

-- The order in which the queue opens.
create index leads_by_grade on leads (severity, (-in_fund), area, lead_id);

-- Findings that left a lead for another one: the lead, and its version from which on they were gone.
create table lead_departures (
    area text not null,
    lead_id text not null,
    finding_id text not null,
    lead_version bigint not null,
    primary key (area, lead_id, finding_id)
);

-- Replays of dead letters: who asked for which, and how far sending is. Their messages carry the source "replay N".
create table replays (
    replay bigint generated always as identity primary key,
    asked_by text not null,
    chosen jsonb not null,
    until_seq bigint not null,
    letters bigint not null,
    sent bigint not null default 0,
    asked_at timestamptz not null default now(),
    finished_at timestamptz
);
alter table dead_letters add column replay bigint references replays;
create index dead_letters_by_seq on dead_letters (seq);

-- Who looked at the bytes of a dead letter, which may hold personal data, and what for. Append-only.
create table dead_letter_views (
    view bigint generated always as identity primary key,
    topic text not null,
    partition int not null,
    "offset" bigint not null,
    seen_by text not null,
    purpose text not null,
    seen_at timestamptz not null default now()
);
create index dead_letter_views_by_letter on dead_letter_views (topic, partition, "offset");
