-- outside a transaction
-- Digests that can be made anew, now that those of the second generation are such too.

drop index concurrently if exists events_of_earlier;

create index concurrently events_of_earlier on events (area, patient) where generation < 3;

drop index concurrently if exists events_of_before;
