-- outside a transaction
-- The leads of one institution, for its page.

drop index concurrently if exists leads_by_institution;

create index concurrently leads_by_institution on leads (institution);
