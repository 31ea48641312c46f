-- outside a transaction
-- The order in which each lane of the queue opens.

drop index concurrently if exists leads_by_expected;

create index concurrently leads_by_expected on leads (lane, (-coalesce(expected, 0)), severity, area, lead_id);
