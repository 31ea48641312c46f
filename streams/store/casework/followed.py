"""What followed decisions on findings of rules that are no longer in the set in force."""

from collections.abc import Collection, Sequence
from typing import Literal

import asyncpg
import msgspec

from casework.decisions import Decision, standing
from casework.sight import Sight
from knowledge_base.findings import FindingVersion, Part
from streams.messages.versions import decode_version
from streams.store.casework.decisions import Place, find_decisions, find_heirs
from streams.store.sights import SHOWN, home_in_sight, in_sight, place_arguments, sight_arguments

How = Literal["continue", "share", "nothing"]


class Gone(msgspec.Struct, frozen=True):
    """A finding that a decision cites and whose rule is gone, and the findings that count today in its place.

    ``how``: they ``continue`` it (``FindingVersion.continued_by``), or ``share`` a line with it and are of the same
    subject; ``nothing`` where there are none.
    """

    finding_id: str
    rule_id: str
    is_open: bool
    how: How
    followed_by: Sequence[Place]


class Followed(msgspec.Struct, frozen=True):
    """A decision that holds on findings of rules that are gone, with these findings."""

    institution: str
    topic: str
    service_year: int
    decision: Decision
    gone: Sequence[Gone]


async def find_followed(
    connection: asyncpg.Connection, known: Collection[str], sight: Sight, after: str, most: int
) -> tuple[list[Followed], str | None]:
    """Decisions that hold on findings of makers that are not ``known``, by lead, from behind a lead's name on.

    Looks at ``most`` leads and says behind which one the next page begins, ``None`` on the last.
    """
    leads = await connection.fetch(
        f"""
        select l.area, l.lead_id, l.institution, l.topic, l.service_year from leads l
        where l.lead_id > $4 and {in_sight("l", 1)} and exists (
            select from decisions d join citations c using (area, decision_id)
            join lead_findings f on f.area = c.area and f.finding_id = c.finding_id and f.decision_id = d.decision_id
            where d.area = l.area and d.lead_id = l.lead_id and f.rule_id <> all($3::text[]))
        order by l.lead_id limit $5
        """,
        *place_arguments(sight),
        list(known),
        after,
        most,
    )
    found = []
    for lead in leads:
        for decision in standing(await find_decisions(connection, lead["area"], lead["lead_id"])):
            gone = await _find_gone(connection, decision, known, sight)
            if gone:
                found.append(Followed(lead["institution"], lead["topic"], lead["service_year"], decision, gone))
    return found, leads[-1]["lead_id"] if len(leads) == most else None


async def _find_gone(
    connection: asyncpg.Connection, decision: Decision, known: Collection[str], sight: Sight
) -> list[Gone]:
    rows = await connection.fetch(
        f"""
        select f.finding_id, f.rule_id, f.is_open, f.body from lead_findings f join citations c using (area, finding_id)
        where f.area = $3 and c.decision_id = $4 and f.decision_id = $4 and f.rule_id <> all($5::text[])
            and {home_in_sight(1)}
        order by f.finding_id
        """,
        *place_arguments(sight),
        decision.area,
        decision.decision_id,
        list(known),
    )
    gone = []
    for row in rows:
        how: How = "continue"
        places = await find_heirs(connection, decision.area, [row["finding_id"]], sight)
        if not places:
            end = await _find_end(connection, decode_version(row["body"]))
            places = await _find_sharing(connection, end, sight)
            how = "share" if places else "nothing"
        gone.append(Gone(row["finding_id"], row["rule_id"], row["is_open"], how, places))
    return gone


async def _find_end(connection: asyncpg.Connection, version: FindingVersion) -> FindingVersion:
    """The last of the findings that went on with one, as where persons were joined before its rule was gone."""
    passed = {version.finding_id}
    while version.continued_by is not None and version.continued_by not in passed:
        passed.add(version.continued_by)
        body = await connection.fetchval(
            "select body from lead_findings where area = $1 and finding_id = $2", version.area, version.continued_by
        )
        if body is not None:
            version = decode_version(body)
    return version


async def _find_sharing(connection: asyncpg.Connection, version: FindingVersion, sight: Sight) -> list[Place]:
    """The open findings of a finding's subject that name one of its parts, in dispute or compared with."""
    rows = await connection.fetch(
        f"""
        select f.finding_id, f.lead_id, f.body from {SHOWN} join findings g using (area, finding_id)
        where g.area = $4 and g.subject_kind = $5 and g.subject = $6 and g.is_open and f.is_open order by f.finding_id
        """,
        *sight_arguments(sight),
        version.area,
        *version.subject,
    )
    parts = _parts(version)
    return [
        Place(row["finding_id"], row["lead_id"])
        for row in rows
        if row["finding_id"] != version.finding_id and not parts.isdisjoint(_parts(decode_version(row["body"])))
    ]


def _parts(version: FindingVersion) -> set[Part]:
    return {guilty.part for guilty in version.finding.guilty} | set(version.finding.involved)
