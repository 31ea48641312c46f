-- Which events may have to do with others of their patient: of the same encounter or settlement, or by a reversal or
-- correction. These are read with every window; the others only where they lie near. True until it is known better, as in
-- rows of before and in those that workers of the release before write.
alter table events add column linked boolean not null default true;

-- Until the release after this one: what such a worker writes makes those linked that it has to do with.
create function link_events() returns trigger language plpgsql as $$
begin
    update events e set linked = true
    where e.area = new.area and e.patient = new.patient and e.subject_kind = 'patient' and not e.linked
        and (
            (e.institution = new.institution and e.encounter_id = new.encounter_id)
            or e.claim_id in (new.claim_id, new.reverses, new.corrects)
        );
    return null;
end $$;
create trigger link_events after insert on events for each row
    when (new.linked and new.subject_kind = 'patient') execute function link_events();
