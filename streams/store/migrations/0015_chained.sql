-- Whether an event holds an item of a rule that reads every event of its items, as rules on courses of treatment do.
-- True until it is known better, as in rows of before and in those that workers of the release before write.
alter table events add column chained boolean not null default true;
