-- Subjects of many kinds, makers of two. Everything here is added with a constant default, so that no table is rewritten,
-- and workers of the release before go on reading and writing what they know.

-- The name of the event's own subject stands in "patient", whatever its kind: docs/decisions/0016-subjects.md.
alter table events add column subject_kind text not null default 'patient';

alter table findings add column subject_kind text not null default 'patient';
alter table findings add column subject text;
alter table findings add column maker_kind text not null default 'rule' check (maker_kind in ('rule', 'detector'));
alter table not_evaluated add column subject_kind text not null default 'patient';
alter table not_evaluated add column subject text;
alter table lead_findings add column subject_kind text not null default 'patient';
alter table lead_findings add column subject text;
alter table lead_findings add column at_stake numeric;

-- Until the release after this one drops "person", each of the two names follows the other, whoever writes.
create function name_subject() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' then
        if new.subject is not distinct from old.subject and new.person is distinct from old.person then
            new.subject := new.person;
        elsif new.subject is distinct from old.subject and new.person is not distinct from old.person then
            new.person := null;
        end if;
    end if;
    new.subject := coalesce(new.subject, new.person);
    new.person := coalesce(
        new.person, case new.subject_kind when 'patient' then new.subject else new.subject_kind || '/' || new.subject end);
    return new;
end $$;
create trigger name_subject before insert or update on findings for each row execute function name_subject();
create trigger name_subject before insert or update on not_evaluated for each row execute function name_subject();
create trigger name_subject before insert or update on lead_findings for each row execute function name_subject();

-- New rows have a subject from now on; those of before are filled in pieces, and then the constraints are checked.
alter table findings add constraint findings_named check (subject is not null) not valid;
alter table not_evaluated add constraint not_evaluated_named check (subject is not null) not valid;
alter table lead_findings add constraint lead_findings_named check (subject is not null) not valid;

-- Money of detectors' findings: at stake, never added to money in question.
alter table leads add column at_stake numeric not null default 0;
alter table lead_totals add column at_stake numeric not null default 0;

-- Who may make findings, as the set in force says it; those of earlier sets stay, and are not live any more.
create table makers (
    id text primary key,
    kind text not null check (kind in ('rule', 'detector')),
    topic text not null,
    severity int not null,
    live boolean not null,
    rule_set text not null
);
insert into makers (id, kind, topic, severity, live, rule_set)
select distinct on (rule ->> 'id') rule ->> 'id', 'rule', rule ->> 'topic', (rule ->> 'severity')::int,
    rule ->> 'status' = 'live' and s.number = (select max(number) from rule_set_switches), s.rule_set
from rule_set_switches s
join rule_sets r on r.hash = s.rule_set
cross join lateral jsonb_array_elements(convert_from(r.body, 'UTF8')::jsonb -> 'rules') as rule
order by rule ->> 'id', s.number desc;

-- Who put a set in force: the program its own, or a person. Null in switches of before.
alter table rule_set_switches add column published_by text;

-- Subjects wider than a patient that are to be judged: by an event that an area's store took in, or for another cause.
create table touched_subjects (
    number bigint generated always as identity primary key,
    area text not null,
    subject_kind text not null,
    subject text not null,
    event_area text,
    event_subject text,
    event_seq bigint,
    cause text,
    touched_at timestamptz not null default now()
);
create index touched_subjects_by_subject on touched_subjects (area, subject_kind, subject);

-- The events of such a subject, as it took them in: seq is drawn under the subject's lock, so it grows along its history.
create table subject_events (
    area text not null,
    subject_kind text not null,
    subject text not null,
    seq bigint not null default nextval('arrivals'),
    event_area text not null,
    event_subject text not null,
    event_seq bigint not null,
    primary key (area, subject_kind, subject, seq)
);
