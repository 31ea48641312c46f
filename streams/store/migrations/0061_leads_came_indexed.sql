-- outside a transaction
-- The leads into which something came since an instant.

drop index concurrently if exists leads_by_came;

create index concurrently leads_by_came on leads (came_at) where came_at is not null;
