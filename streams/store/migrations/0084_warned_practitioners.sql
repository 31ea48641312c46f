-- Who placed the order that a warning is about, beside the warning; of earlier ones the doctor of the encounter is told.
alter table warnings add column practitioner text;
