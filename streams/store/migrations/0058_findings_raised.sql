-- Since when a finding stands in its lead without a break: people ask what is new since they were here. Null in those of
-- before, which are new to nobody. The default is for the release before, which does not say it.
alter table lead_findings add column raised_at timestamptz;
alter table lead_findings alter column raised_at set default now();
