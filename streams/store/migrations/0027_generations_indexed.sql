-- outside a transaction
-- Digests that can be made anew, now that those of the third generation are such too.

drop index concurrently if exists events_of_generation;

create index concurrently events_of_generation on events (area, patient) where generation < 4;

drop index concurrently if exists events_of_earlier;
