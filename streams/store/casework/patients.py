"""What is said of one patient: every finding that may be shown, and what rules could not decide on."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import asyncpg
import msgspec

from casework.sight import Sight
from knowledge_base.findings import FindingVersion
from streams.messages.versions import decode_version
from streams.store.sights import SHOWN, gap_in_sight, place_arguments, sight_arguments


class PlacedFinding(NamedTuple):
    """A finding, open or withdrawn, with the name of its lead."""

    version: FindingVersion
    lead_id: str


class OpenAnchor(msgspec.Struct, frozen=True):
    """An anchor on which a rule could not decide, in the words that name it, and why."""

    rule_id: str
    reason: str
    occurrence: Sequence[str]
    first_day: date
    last_day: date


async def find_patient_findings(
    connection: asyncpg.Connection, area: str, person: str, sight: Sight
) -> list[PlacedFinding]:
    """A person's findings in sight, the latest first."""
    rows = await connection.fetch(
        f"""
        select f.body, f.lead_id from {SHOWN} join findings j using (area, finding_id)
        where j.area = $4 and j.subject_kind = 'patient' and j.subject = $5 order by j.last_day desc, j.finding_id
        """,
        *sight_arguments(sight),
        area,
        person,
    )
    return [PlacedFinding(decode_version(row["body"]), row["lead_id"]) for row in rows]


async def find_patient_gaps(
    connection: asyncpg.Connection, area: str, person: str, first: date, last: date, sight: Sight
) -> list[OpenAnchor]:
    """On what of a person live rules could not decide between two days, as far as that is in sight."""
    rows = await connection.fetch(
        f"""
        select m.id as rule_id, n.reason, n.occurrence, n.first_day, n.last_day
        from not_evaluated n join makers m on m.live and m.id = any(n.rules)
        where n.area = $1 and n.subject_kind = 'patient' and n.subject = $2 and n.last_day >= $3 and n.first_day <= $4
            and ($5::text[] is null or n.area = any($5)) and {gap_in_sight(6)}
        order by n.first_day, m.id, n.reason, n.occurrence
        """,
        area,
        person,
        first,
        last,
        *place_arguments(sight),
    )
    return [OpenAnchor(**row) for row in rows]
