-- The rules and detectors of the findings that count from a step on. Null in steps that the release before summed;
-- their leads are summed again.
alter table lead_totals add column makers text[];

create or replace trigger mark_to_sum after insert on lead_totals
    for each row when (new.makers is null) execute function mark_to_sum();
