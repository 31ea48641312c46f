-- outside a transaction
-- Which institutions a finding names lines of beside the one whose lead it stands in, so that their leads can say so.
-- The index reads it from the finding itself, as workers of any release write it: nothing is filled, nothing goes stale.
-- Entries are sorted in at once: a list of pending ones would be read through by every page of a lead.

create or replace function institutions_beside(body bytea) returns text[] language sql immutable strict parallel safe as $$
    select coalesce(array_agg(distinct part ->> 0), '{}')
    from json_extract_path(convert_from(body, 'UTF8')::json, 'finding') as finding,
        lateral (
            select guilty -> 'line' as part from json_array_elements(finding -> 'guilty') as guilty
            union all
            select involved from json_array_elements(finding -> 'involved') as involved
        ) as parts
    where json_array_length(part) = 3 and part ->> 0 <> finding ->> 'institution'
$$;

drop index concurrently if exists lead_findings_beside;

create index concurrently lead_findings_beside on lead_findings using gin (institutions_beside(body))
    with (fastupdate = off) where is_open;
