-- outside a transaction
-- Whose leads are whose, and how many somebody has.

drop index concurrently if exists leads_by_holder;

create index concurrently leads_by_holder on leads (assignee) where assignee is not null;
