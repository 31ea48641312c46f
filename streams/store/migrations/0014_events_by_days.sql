-- A patient's events in the order of their days, no longer in that of their arrival: one index the less.
alter table events drop constraint events_pkey;
alter table events add constraint events_pkey primary key using index events_by_days;
