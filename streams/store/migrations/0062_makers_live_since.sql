-- Since when a maker's findings are shown: those that were found while it was tried out are new when it goes live.
alter table makers add column live_since timestamptz;
