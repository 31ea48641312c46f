-- outside a transaction
-- The findings on which a decision holds, those of other leads by themselves; from the index alone.

drop index concurrently if exists lead_findings_by_decision;

create index concurrently lead_findings_by_decision on lead_findings (area, decision_id, lead_id) include (cited_version)
    where decision_id is not null;
