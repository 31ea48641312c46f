-- outside a transaction
-- Digests that can be made anew: empty once all have been, as new events are of the newest generation.

drop index concurrently if exists events_of_before;

create index concurrently events_of_before on events (area, patient) where generation < 2;
