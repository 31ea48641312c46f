-- outside a transaction
-- The leads that hold findings of one rule or detector, for the queue's filter.

drop index concurrently if exists lead_findings_by_maker;

create index concurrently lead_findings_by_maker on lead_findings (rule_id, area, lead_id) where is_open;
