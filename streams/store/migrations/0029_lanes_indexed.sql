-- outside a transaction
-- The order in which each lane of the queue opens.

drop index concurrently if exists leads_by_lane;

create index concurrently leads_by_lane on leads (lane, severity, (-in_fund), area, lead_id);
