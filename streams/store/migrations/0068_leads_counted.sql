-- outside a transaction
-- How many leads there are in each state of each lane: counted from the index alone.

drop index concurrently if exists leads_counted;

create index concurrently leads_counted on leads (lane, state, snoozed_until, counts_from, findings, area, institution);
