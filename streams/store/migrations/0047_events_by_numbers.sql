-- outside a transaction
-- Claims by the numbers that people have: of the settlement, of the visit. Eight bytes of each, however long
-- it is.

drop index concurrently if exists events_by_settlement;

create index concurrently events_by_settlement on events (hashtextextended(claim_id, 0));

drop index concurrently if exists events_by_visit;

create index concurrently events_by_visit on events (hashtextextended(encounter_id, 0));
