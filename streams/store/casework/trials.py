"""What rules find that are tried out (``shadow``): kept beside the leads, summed in none, read here alone."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from casework.sight import Sight
from knowledge_base.findings import FindingVersion
from streams.messages.versions import decode_version
from streams.store.sessions import Connection
from streams.store.sights import home_in_sight, sight_arguments


class Trial(msgspec.Struct, frozen=True):
    """What a rule found so far. Amounts in yuan: each line counts once, with the most that a finding disputes."""

    rule_id: str
    findings: int
    people: int
    institutions: int
    in_question: Decimal
    in_fund: Decimal


# Open findings of some rules, as leads show those of live ones: without those whose excuse may still come.
_TRIED = f"""
    findings j join lead_findings f using (area, finding_id)
    where j.rule_id = any($4::text[]) and j.is_open and f.is_open
        and (f.excuse_until is null or f.excuse_until < $1) and {home_in_sight()}
"""


async def find_trials(connection: Connection, rules: Sequence[str], sight: Sight) -> dict[str, Trial]:
    """What rules found, by rule; those that found nothing are left out."""
    rows = await connection.fetch(
        f"""
        with tried as (
            select area, finding_id, j.rule_id, j.institution, j.subject_kind, j.subject from {_TRIED}
        ), lines as (
            select t.rule_id, max(l.in_question) as in_question, max(l.in_fund) as in_fund
            from tried t join lead_lines l using (area, finding_id) group by t.rule_id, area, l.line
        ), money as (
            select rule_id, sum(in_question) as in_question, sum(in_fund) as in_fund from lines group by rule_id
        )
        select rule_id, count(*) as findings, count(distinct (area, subject_kind, subject)) as people,
            count(distinct institution) as institutions,
            coalesce(min(in_question), 0) as in_question, coalesce(min(in_fund), 0) as in_fund
        from tried left join money using (rule_id) group by rule_id
        """,
        *sight_arguments(sight),
        list(rules),
    )
    return {row["rule_id"]: Trial(**row) for row in rows}


async def find_sample(connection: Connection, rule_id: str, sight: Sight, most: int) -> list[FindingVersion]:
    """Some findings of a rule, the same at every look: the first by their names, which are hashes."""
    rows = await connection.fetch(
        f"select f.body from {_TRIED} order by finding_id, area limit $5", *sight_arguments(sight), [rule_id], most
    )
    return [decode_version(row["body"]) for row in rows]


async def find_tried(
    connection: Connection, finding_id: str, rules: Sequence[str], sight: Sight
) -> FindingVersion | None:
    """An open finding of one of some rules, ``None`` where there is none of that name."""
    row = await connection.fetchrow(
        f"select f.body from {_TRIED} and finding_id = $5", *sight_arguments(sight), list(rules), finding_id
    )
    return None if row is None else decode_version(row["body"])
