-- pieces
-- The places of the leads of before.

insert into lead_places (institution, area, service_year)
select distinct institution, area, service_year from leads on conflict do nothing;
