-- outside a transaction
-- A patient's events that such rules read wherever they lie.

drop index concurrently if exists events_chained;

create index concurrently events_chained on events (area, patient) where chained;
