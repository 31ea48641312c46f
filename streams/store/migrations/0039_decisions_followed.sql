-- The finding that goes on with a withdrawn one, as the finding itself says it, whichever release wrote it.
create function heir_of(body bytea) returns text language sql immutable strict parallel safe as $$
    select convert_from(body, 'UTF8')::json ->> 'continued_by'
$$;

-- Brings what holds on some findings, and on those that go on with them, up to date.
create function follow_decisions(of_area text, names text[]) returns void language sql as $$
    with recursive concerned (finding_id) as (
        select unnest(names)
        union
        select heir_of(f.body) from concerned join lead_findings f using (finding_id)
        where f.area = of_area and not f.is_open and heir_of(f.body) is not null
    ),
    line (finding_id, forebear) as (
        select finding_id, finding_id from concerned
        union
        select line.finding_id, f.finding_id from line join lead_findings f on heir_of(f.body) = line.forebear
        where f.area = of_area and not f.is_open
    ),
    holding as (
        select distinct on (line.finding_id) line.finding_id, d.decision_id, d.decision,
            case when c.finding_id = line.finding_id then c.version else 0 end as version
        from line join citations c on c.area = of_area and c.finding_id = line.forebear
        join decisions d on d.area = c.area and d.decision_id = c.decision_id
        where d.decision <> 'undone'
            and not exists (select from decisions u where u.area = d.area and u.undoes = d.decision_id)
        order by line.finding_id, d.decision_id desc, (c.finding_id = line.finding_id) desc
    ),
    changed as (
        update lead_findings f set decision_id = h.decision_id, verdict = h.decision, cited_version = h.version
        from concerned left join holding h using (finding_id)
        where f.area = of_area and f.finding_id = concerned.finding_id
            and (f.decision_id, f.verdict, f.cited_version) is distinct from (h.decision_id, h.decision, h.version)
        returning f.area, f.lead_id
    )
    insert into leads_to_sum (area, lead_id) select distinct area, lead_id from changed
$$;

create function cite() returns trigger language plpgsql as $$
begin
    insert into citations (area, finding_id, decision_id, version)
    select new.area, cited.finding_id, new.decision_id, cited.version
    from jsonb_to_recordset(new.cites) as cited (finding_id text, version int) on conflict do nothing;
    perform follow_decisions(
        new.area, array(select cited.finding_id from jsonb_to_recordset(new.cites) as cited (finding_id text)));
    return new;
end $$;
create trigger cite after insert on decisions for each row execute function cite();
create trigger mark_to_sum after insert on decisions for each row execute function mark_to_sum();

insert into leads_to_sum (area, lead_id) select area, lead_id from leads;
