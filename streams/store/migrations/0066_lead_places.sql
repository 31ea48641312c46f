-- Which institutions, areas and years leads are of, for the filters of the queue: a row for hundreds of leads. The store
-- fills it whoever makes a lead; leads are never taken away.
create table lead_places (
    institution text not null,
    area text not null,
    service_year int not null,
    primary key (institution, area, service_year)
);

create function place_lead() returns trigger language plpgsql as $$
begin
    insert into lead_places (institution, area, service_year) values (new.institution, new.area, new.service_year)
    on conflict do nothing;
    return null;
end $$;
create trigger place_lead after insert on leads for each row execute function place_lead();
