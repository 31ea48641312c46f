-- outside a transaction
-- The leads that hold findings of an item, for the queue's filter.

drop index concurrently if exists lead_findings_by_items;

create index concurrently lead_findings_by_items on lead_findings using gin (items) where is_open;
