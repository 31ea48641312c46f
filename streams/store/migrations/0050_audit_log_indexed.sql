-- outside a transaction
-- What was done to one lead, and on some days.

drop index concurrently if exists audit_log_by_lead;

create index concurrently audit_log_by_lead on audit_log ((about ->> 'lead'), seq);

drop index concurrently if exists audit_log_by_day;

create index concurrently audit_log_by_day on audit_log (at);
