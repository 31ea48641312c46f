-- outside a transaction
-- Of a subject's findings and undecided anchors those are read that lie near what is judged, and findings by their names.
-- The first two take the place of the indexes by subject alone, which begin alike.

drop index concurrently if exists findings_by_days;

create index concurrently findings_by_days on findings (area, subject_kind, subject, last_day);

drop index concurrently if exists findings_by_subject;

drop index concurrently if exists not_evaluated_by_days;

create index concurrently not_evaluated_by_days on not_evaluated (area, subject_kind, subject, last_day);

drop index concurrently if exists not_evaluated_by_subject;

drop index concurrently if exists findings_by_id;

create index concurrently findings_by_id on findings (finding_id);
