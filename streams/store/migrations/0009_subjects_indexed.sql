-- outside a transaction
-- Built and checked beside working workers; nothing waits for it. An index that an interrupted run left unfinished is
-- made anew.

drop index concurrently if exists findings_by_subject;

create index concurrently findings_by_subject on findings (area, subject_kind, subject);

drop index concurrently if exists not_evaluated_by_subject;

create index concurrently not_evaluated_by_subject on not_evaluated (area, subject_kind, subject);

alter table findings validate constraint findings_named;

alter table not_evaluated validate constraint not_evaluated_named;

alter table lead_findings validate constraint lead_findings_named;
