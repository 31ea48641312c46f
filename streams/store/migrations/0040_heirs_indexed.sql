-- outside a transaction
-- Which withdrawn findings one goes on with.

drop index concurrently if exists lead_findings_by_heir;

create index concurrently lead_findings_by_heir on lead_findings (area, heir_of(body)) where not is_open;
