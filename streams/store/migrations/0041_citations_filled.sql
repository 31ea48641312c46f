-- pieces
-- What decisions of before cite, and then what holds on these findings; each statement again until it changes nothing.

insert into citations (area, finding_id, decision_id, version)
select piece.area, cited.finding_id, piece.decision_id, cited.version
from (
    select d.area, d.decision_id, d.cites from decisions d
    where jsonb_array_length(d.cites) > 0
        and not exists (select from citations c where c.area = d.area and c.decision_id = d.decision_id)
    order by d.decision_id limit 50
) piece cross join lateral jsonb_to_recordset(piece.cites) as cited (finding_id text, version int)
on conflict do nothing;

with held as materialized (
    select l.area, l.lead_id from leads l
    where (l.area, l.lead_id) in (
        select f.area, f.lead_id from lead_findings f join citations c using (area, finding_id)
        join decisions d on d.area = c.area and d.decision_id = c.decision_id and d.decision <> 'undone'
        where f.decision_id is null
            and not exists (select from decisions u where u.area = d.area and u.undoes = d.decision_id))
    order by l.area, l.lead_id limit 20 for update
)
select follow_decisions(held.area, array(
    select f.finding_id from lead_findings f
    where f.area = held.area and f.lead_id = held.lead_id and f.decision_id is null
        and exists (select from citations c where c.area = f.area and c.finding_id = f.finding_id)))
from held;
