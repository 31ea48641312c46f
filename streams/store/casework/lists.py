"""The list of a lead for its institution, as stored: the findings that count today, in the order of the list."""

from collections.abc import AsyncIterator, Collection
from datetime import date
from decimal import Decimal
from typing import NamedTuple

import asyncpg
import msgspec

from casework.answers import ListedFinding
from casework.sight import Sight
from knowledge_base.findings import FindingVersion, GuiltyPart
from knowledge_base.signs import neutral
from streams.messages.versions import decode_version
from streams.store.casework.holders import Place
from streams.store.casework.listing import lines_of
from streams.store.casework.queue import Lead
from streams.store.sights import SHOWN, sight_arguments

ORDER = "f.severity, f.rule_id, f.last_day, f.finding_id"
"""The most serious makers first, of each the findings as they happened."""

ASKED_ABOUT = "f.area = $4 and f.lead_id = $5 and f.is_open and f.verdict is distinct from 'dismissed'"
"""That an institution is asked about a finding of a lead ($4, $5): what was dismissed is no question any more."""


def line_name(part: GuiltyPart) -> str:
    """A part in dispute as ``lead_lines`` names it."""
    return msgspec.json.encode(part.part).decode()


def line_id(part: GuiltyPart) -> str:
    """What the list shows of a part in dispute: the number of a billed line, the words of another part."""
    return neutral(part.part[2] if len(part.part) == 3 else " ".join(part.part))


async def find_range(connection: asyncpg.Connection, lead: Lead, sight: Sight) -> tuple[date, date] | None:
    """The first and the last day of the findings that count, ``None`` where none does."""
    row = await connection.fetchrow(
        f"""
        select min(coalesce(j.first_day, f.last_day)) as first, max(f.last_day) as last
        from {SHOWN} left join findings j on j.area = f.area and j.finding_id = f.finding_id
        where {ASKED_ABOUT}
        """,
        *sight_arguments(sight),
        lead.area,
        lead.lead_id,
    )
    return None if row is None or row["last"] is None else (row["first"], row["last"])


class ListSum(NamedTuple):
    """What the lines of a list come to in yuan, each once with the greatest amount disputed, as in the lead's sums;
    ``loss`` is of those of which it is known."""

    lines: int
    lines_without_loss: int
    in_question: Decimal
    in_fund: Decimal
    loss: Decimal


async def find_sum(connection: asyncpg.Connection, lead: Lead, sight: Sight) -> ListSum:
    """What all that an institution is asked about comes to."""
    row = await connection.fetchrow(
        f"""
        with asked as materialized (select f.area, f.finding_id from {SHOWN} where {ASKED_ABOUT}),
        lines as (
            select l.line, max(l.in_question) as in_question, max(l.in_fund) as in_fund, max(l.loss) as loss
            from asked f {lines_of("f")} group by l.line
        )
        select count(*) as lines, count(*) - count(loss) as lines_without_loss,
            coalesce(sum(in_question), 0) as in_question, coalesce(sum(in_fund), 0) as in_fund,
            coalesce(sum(loss), 0) as loss
        from lines
        """,
        *sight_arguments(sight),
        lead.area,
        lead.lead_id,
    )
    assert row is not None
    return ListSum(**row)


async def walk_findings(
    connection: asyncpg.Connection, lead: Lead, sight: Sight, portion: int
) -> AsyncIterator[list[FindingVersion]]:
    """The findings that count, so many at once, in the caller's snapshot: no more of them are held."""
    cursor = await connection.cursor(
        f"select f.body from {SHOWN} where {ASKED_ABOUT} order by {ORDER}",
        *sight_arguments(sight),
        lead.area,
        lead.lead_id,
    )
    while rows := await cursor.fetch(portion):
        yield [decode_version(row["body"]) for row in rows]


async def find_listed(
    connection: asyncpg.Connection, place: Place, sight: Sight, finding_ids: Collection[str]
) -> dict[str, ListedFinding]:
    """Those of some findings that the lead has, as they are now, by their names; withdrawn ones too."""
    rows = await connection.fetch(
        f"""
        select f.finding_id, f.version, f.is_open, f.body from {SHOWN}
        where f.area = $4 and f.lead_id = $5 and f.finding_id = any($6::text[])
        """,
        *sight_arguments(sight),
        place.area,
        place.lead_id,
        list(finding_ids),
    )
    return {row["finding_id"]: _listed(row) for row in rows}


def _listed(row: asyncpg.Record) -> ListedFinding:
    parts = decode_version(row["body"]).finding.guilty
    return ListedFinding(row["version"], row["is_open"], tuple(map(line_name, parts)), tuple(map(line_id, parts)))
