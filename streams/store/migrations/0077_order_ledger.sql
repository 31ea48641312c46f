-- The ledger of orders: what hospitals asked about, what was said, and what was billed of it. All of it follows from
-- prescriptions, warnings and events of a person (docs/what-counts.md, section 8), and is written anew where they change.

-- Institutions that ever asked, and the first day on which they did.
create table asking_institutions (
    area text not null,
    institution text not null,
    first_day date not null,
    primary key (area, institution)
);

-- Whose ledger is to be written anew: one patient's, or that of everybody with bills of an institution since a day.
create table touched_orders (
    number bigint generated always as identity primary key,
    area text not null,
    patient text,
    institution text,
    since date,
    touched_at timestamptz not null default now(),
    check ((patient is null) = (institution is not null and since is not null))
);

-- One row an order. holds is the arrival number of the request as which it stands, asked_by are those that asked about
-- it; warnings were told, untold came too late to be. The line that took its place, and how, where one did.
create table order_entries (
    area text not null,
    patient text not null,
    institution text not null,
    encounter_id text not null,
    order_id text not null,
    item_code text not null,
    day date not null,
    quantity numeric not null,
    amount numeric not null,
    holds bigint not null,
    asked_by bigint[] not null,
    answered text not null check (answered in ('in time', 'late', 'not judged', 'told only')),
    warnings text[] not null,
    untold text[] not null,
    billed_encounter text,
    billed_line text,
    how text check (how in ('order', 'prescription', 'item and day')),
    primary key (area, institution, encounter_id, order_id, item_code, patient)
);
create index order_entries_by_patient on order_entries (area, patient);
create index order_entries_by_institution on order_entries (institution, holds);

-- One row a billed line that was ordered: as which order. Lines of an institution that asks and that are not here were
-- never asked about.
create table order_lines (
    area text not null,
    institution text not null,
    encounter_id text not null,
    line_id text not null,
    patient text not null,
    day date not null,
    order_encounter text not null,
    order_id text not null,
    item_code text not null,
    how text not null check (how in ('order', 'prescription', 'item and day')),
    primary key (area, institution, encounter_id, line_id, patient)
);
create index order_lines_by_patient on order_lines (area, patient);

-- Lines that the fund is to pay of institutions that ask, by patient and day, and how many of them were asked about.
create table order_days (
    area text not null,
    patient text not null,
    institution text not null,
    day date not null,
    lines int not null,
    asked int not null,
    primary key (area, patient, institution, day)
);
create index order_days_by_institution on order_days (institution, day);

insert into asking_institutions (area, institution, first_day)
select area, institution, min((asked_at at time zone 'Asia/Shanghai')::date) from prescriptions group by 1, 2;

insert into touched_orders (area, institution, since) select area, institution, first_day from asking_institutions;
