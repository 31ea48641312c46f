-- outside a transaction
-- Until which day (China) somebody has a lead; whoever decided on one of before has it without an end.

alter table leads add column if not exists held_until date;

drop index concurrently if exists leads_by_assignee;

create index concurrently leads_by_assignee on leads (assignee) where assignee is not null;
