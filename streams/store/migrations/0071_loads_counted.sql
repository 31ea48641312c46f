-- outside a transaction
-- How many leads somebody has that are to be decided: counted from the index alone.

drop index concurrently if exists leads_by_holder;

create index concurrently leads_by_holder on leads (assignee, state, snoozed_until, held_until)
    where assignee is not null;
