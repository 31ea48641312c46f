-- outside a transaction
-- What was done to one lead.

drop index concurrently if exists audit_log_by_lead;

create index concurrently audit_log_by_lead on audit_log ((about ->> 'lead'), seq);
