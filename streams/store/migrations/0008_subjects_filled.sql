-- pieces
-- Each statement again until it changes nothing, in a transaction of its own: workers go on between two pieces.

update findings f set subject = f.person
from (select area, finding_id from findings where subject is null limit 2000 for update skip locked) piece
where f.area = piece.area and f.finding_id = piece.finding_id;

update not_evaluated n set subject = n.person
from (select area, person, anchor_id from not_evaluated where subject is null limit 2000 for update skip locked) piece
where n.area = piece.area and n.person = piece.person and n.anchor_id = piece.anchor_id;

update lead_findings f set subject = f.person
from (select area, finding_id from lead_findings where subject is null limit 2000 for update skip locked) piece
where f.area = piece.area and f.finding_id = piece.finding_id;
