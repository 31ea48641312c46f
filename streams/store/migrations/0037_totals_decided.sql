-- The state is null in steps that the release before summed; their leads are summed again.
alter table lead_totals add column state text;
alter table lead_totals add column undecided int not null default 0;
alter table lead_totals add column decided int not null default 0;
alter table lead_totals add column fresh int not null default 0;
alter table lead_totals add column changed int not null default 0;

create function mark_to_sum() returns trigger language plpgsql as $$
begin
    insert into leads_to_sum (area, lead_id) values (new.area, new.lead_id);
    return new;
end $$;
create trigger mark_to_sum after insert on lead_totals for each row when (new.state is null) execute function mark_to_sum();
