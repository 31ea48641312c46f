-- outside a transaction
-- A patient's events by their days, and by the names that others know them by. Built beside reading and writing; an index
-- that an interrupted run left unfinished is made anew.

drop index concurrently if exists events_by_days;

create unique index concurrently events_by_days on events (area, patient, last_day, seq);

drop index concurrently if exists events_linked;

create index concurrently events_linked on events (area, patient) where linked;

drop index concurrently if exists events_by_encounter;

create index concurrently events_by_encounter on events (hashtextextended(patient || '|' || encounter_id, 0), seq);

drop index concurrently if exists events_by_claim;

create index concurrently events_by_claim on events (hashtextextended(patient || '|' || claim_id, 0), seq);
