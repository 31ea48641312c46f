-- outside a transaction
-- The leads that hold findings of one rule or detector that count, for the queue's filter: from the index alone. It takes
-- the place of lead_findings_by_maker, which begins alike.

drop index concurrently if exists lead_findings_of_maker;

create index concurrently lead_findings_of_maker on lead_findings (rule_id, area, lead_id) include (excuse_until)
    where is_open;

drop index concurrently if exists lead_findings_by_maker;
