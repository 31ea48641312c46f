-- In which lane people find a lead: data quality where all its findings are of makers of that lane. Those of before are
-- put there when their makers' findings are judged or summed again.
alter table makers add column lane text not null default 'inspection' check (lane in ('inspection', 'data_quality'));
alter table leads add column lane text not null default 'inspection' check (lane in ('inspection', 'data_quality'));
alter table lead_totals add column lane text not null default 'inspection';
