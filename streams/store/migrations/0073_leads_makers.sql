-- The same of a lead's last step.
alter table leads add column makers text[];

insert into leads_to_sum (area, lead_id) select area, lead_id from leads;
