-- Arrival numbers: drawn after a batch's locks, so they grow along every person's history.
create sequence arrivals;

-- Every event that was ever accepted. Never dropped: it decides what is a duplicate for good.
create table event_ids (
    area text not null,
    event_id text not null,
    content_hash bytea not null,
    seq bigint not null default nextval('arrivals'),
    primary key (area, event_id)
) partition by hash (area, event_id);

create table event_ids_0 partition of event_ids for values with (modulus 4, remainder 0);
create table event_ids_1 partition of event_ids for values with (modulus 4, remainder 1);
create table event_ids_2 partition of event_ids for values with (modulus 4, remainder 2);
create table event_ids_3 partition of event_ids for values with (modulus 4, remainder 3);

-- What windows over a person's history are read from. first_day and last_day span lines, the days that they
-- cover, and the stay.
create table events (
    area text not null,
    patient text not null,
    seq bigint not null,
    event_id text not null,
    kind text not null,
    claim_id text,
    encounter_id text,
    institution text,
    first_day date not null,
    last_day date not null,
    reverses text,
    corrects text,
    money numeric not null,
    source text not null,
    digest bytea not null,
    recorded_at timestamptz not null default now(),
    primary key (area, patient, seq)
);
alter table events alter column digest set storage external;

-- The bytes as they were received (zstd), once, apart from what windows read.
create table received (
    area text not null,
    seq bigint not null,
    body bytea not null,
    primary key (area, seq)
);
alter table received alter column body set storage external;

-- Who is one person: pseudonyms joined by merges, named by the least. A pseudonym that is not here is itself.
create table persons (
    area text not null,
    patient text not null,
    person text not null,
    seq bigint not null,
    recorded_at timestamptz not null default now(),
    primary key (area, patient)
);
create index persons_members on persons (area, person);

-- Rules and facts published together; the hash names them in every finding version.
create table rule_sets (
    hash text primary key,
    body bytea not null,
    published_at timestamptz not null default now()
);

-- Findings as they are now; what they were is in finding_versions.
create table findings (
    area text not null,
    finding_id text not null,
    person text not null,
    rule_id text not null,
    institution text not null,
    version int not null,
    is_open boolean not null,
    first_day date not null,
    last_day date not null,
    excuse_until date,
    body bytea not null,
    seq bigint not null default nextval('arrivals'),
    recorded_at timestamptz not null default now(),
    primary key (area, finding_id)
);
create index findings_by_person on findings (area, person);
create index findings_by_rule on findings (rule_id) where is_open;

create table finding_versions (
    area text not null,
    finding_id text not null,
    version int not null,
    change text not null,
    cause text not null,
    as_of bigint not null,
    rule_set text not null,
    body bytea not null,
    seq bigint not null default nextval('arrivals'),
    recorded_at timestamptz not null default now(),
    primary key (area, finding_id, version)
);

-- Anchors on which rules cannot decide, and why.
create table not_evaluated (
    area text not null,
    person text not null,
    anchor_id bytea not null,
    rules text[] not null,
    reason text not null,
    occurrence text[] not null,
    first_day date not null,
    last_day date not null,
    seq bigint not null default nextval('arrivals'),
    recorded_at timestamptz not null default now(),
    primary key (area, person, anchor_id)
);

-- Messages that did not become events: conflicts and dead ones, with every reason; body encrypted.
create table dead_letters (
    topic text not null,
    partition int not null,
    "offset" bigint not null,
    outcome text not null check (outcome in ('conflict', 'dead')),
    source text not null,
    reasons jsonb not null,
    key bytea,
    body bytea not null,
    money numeric,
    seq bigint not null default nextval('arrivals'),
    recorded_at timestamptz not null default now(),
    replayed_at timestamptz,
    primary key (topic, partition, "offset")
);

-- What became of what was received, by source and day (China). One writer a partition.
create table ledger (
    topic text not null,
    partition int not null,
    source text not null,
    day date not null,
    accepted bigint not null default 0,
    duplicate bigint not null default 0,
    conflict bigint not null default 0,
    dead bigint not null default 0,
    accepted_money numeric not null default 0,
    duplicate_money numeric not null default 0,
    conflict_money numeric not null default 0,
    dead_money numeric not null default 0,
    dead_money_unknown bigint not null default 0,
    unknown_fields bigint not null default 0,
    primary key (topic, partition, source, day)
);

-- Files and other sources that are being read: where to go on after an interruption.
create table imports (
    source_id text primary key,
    source text not null,
    messages bigint not null default 0,
    finished boolean not null default false,
    started_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

-- What is to be sent on, written in the batch's transaction; only the relay sends and deletes.
create table outbox (
    id bigint generated always as identity primary key,
    topic text not null,
    key bytea,
    value bytea not null,
    recorded_at timestamptz not null default now()
);

-- The bus in PostgreSQL: a partitioned log of compressed values (zstd). Offsets are taken by updating the
-- partition's head row.
create table log_heads (
    topic text not null,
    partition int not null,
    next bigint not null default 0,
    primary key (topic, partition)
);

create table log_segments (
    segment int primary key,
    opened_at timestamptz not null default now()
);
insert into log_segments (segment) values (0);

create table log (
    segment int not null,
    topic text not null,
    partition int not null,
    "offset" bigint not null,
    key bytea,
    value bytea,
    source text not null,
    sent_at timestamptz not null default now(),
    primary key (topic, partition, "offset", segment)
) partition by list (segment);
create table log_0 partition of log for values in (0);
alter table log_0 alter column value set storage external;

-- Where each group of workers is. epoch fences whoever held the partition before.
create table group_offsets (
    "group" text not null,
    topic text not null,
    partition int not null,
    next bigint not null default 0,
    epoch bigint not null default 0,
    owner text,
    backend_pid int,
    lease_until timestamptz,
    primary key ("group", topic, partition)
);

create table group_members (
    "group" text not null,
    topic text not null,
    member text not null,
    seen_at timestamptz not null default now(),
    primary key ("group", topic, member)
);

-- Leads: findings grouped by institution, topic and service year; a function of their findings.
create table leads (
    area text not null,
    lead_id text not null,
    institution text not null,
    topic text not null,
    service_year int not null,
    version bigint not null,
    findings int not null,
    people int not null,
    in_question numeric not null,
    in_fund numeric not null,
    loss numeric,
    newest_day date,
    severity int not null,
    state text not null default 'open' check (state in ('open', 'confirmed', 'dismissed', 'returned')),
    assignee text,
    seq bigint not null default nextval('arrivals'),
    updated_at timestamptz not null default now(),
    primary key (area, lead_id)
);

create table lead_findings (
    area text not null,
    finding_id text not null,
    lead_id text not null,
    rule_id text not null,
    version int not null,
    is_open boolean not null,
    person text not null,
    last_day date not null,
    excuse_until date,
    severity int not null,
    body bytea not null,
    primary key (area, finding_id)
);
create index lead_findings_by_lead on lead_findings (area, lead_id);

create table lead_lines (
    area text not null,
    lead_id text not null,
    finding_id text not null,
    line text not null,
    in_question numeric not null,
    in_fund numeric not null,
    loss numeric,
    primary key (area, lead_id, line, finding_id)
);
create index lead_lines_by_finding on lead_lines (area, finding_id);

create table users (
    login text primary key,
    password_hash text not null,
    created_at timestamptz not null default now()
);

create table sessions (
    token_hash bytea primary key,
    login text not null references users,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null
);

-- What people decided, and undid. Append-only; a decision cites the finding versions that were seen.
create table decisions (
    area text not null,
    decision_id bigint generated always as identity,
    lead_id text not null,
    lead_version bigint not null,
    decision text not null check (decision in ('confirmed', 'dismissed', 'returned', 'undone')),
    reason text not null,
    decided_by text not null,
    undoes bigint,
    cites jsonb not null,
    seq bigint not null default nextval('arrivals'),
    recorded_at timestamptz not null default now(),
    primary key (area, decision_id)
);
create index decisions_by_lead on decisions (area, lead_id);

create table institutions (
    institution text primary key,
    name text not null,
    level text,
    kind text
);
