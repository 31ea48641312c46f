"""Decisions as stored: written with the lead's next version. What people set going is ``streams.acts.decide``.

Errors: ``LeadUnknown``; ``LeadChanged`` where somebody or something changed the lead first; ``NotHolding`` where a
decision to be undone does not hold.
"""

import json
from collections.abc import Collection
from datetime import UTC

import asyncpg
import msgspec

from casework.decisions import Citation, Decision, Verdict, state_of
from casework.sight import Sight
from streams.messages.versions import decode_version
from streams.store.sights import SHOWN, in_sight, place_arguments, sight_arguments


class Place(msgspec.Struct, frozen=True):
    """Where a finding is now: its name and that of its lead."""

    finding_id: str
    lead_id: str


class DecisionError(Exception):
    """What keeps a decision from being recorded."""


class LeadUnknown(DecisionError):
    """There is no such lead, or it is out of sight."""


class LeadChanged(DecisionError):
    """The lead is no longer the one that was seen."""


class NotHolding(DecisionError):
    """The decision that was to be undone does not hold (any more)."""


async def find_decisions(connection: asyncpg.Connection, area: str, lead_id: str) -> list[Decision]:
    """All decisions on a lead, oldest first."""
    rows = await connection.fetch(
        "select * from decisions where area = $1 and lead_id = $2 order by decision_id", area, lead_id
    )
    return [_decision(row) for row in rows]


async def find_moved(connection: asyncpg.Connection, decision: Decision, sight: Sight) -> list[Place]:
    """The findings that a decision cites and that belong to another lead now."""
    cited = [citation.finding_id for citation in decision.cites]
    places = await _find_places(connection, decision.area, cited, sight)
    return [place for place in places if place.lead_id != decision.lead_id]


async def find_heirs(
    connection: asyncpg.Connection, area: str, finding_ids: Collection[str], sight: Sight
) -> list[Place]:
    """The findings that stand in the place of withdrawn ones of some findings, each once.

    ``FindingVersion.continued_by`` is followed from withdrawn finding to withdrawn finding to its end.
    """
    step, heirs, gone = set(finding_ids), set[str](), set[str]()
    while step:
        rows = await connection.fetch(
            "select finding_id, body from lead_findings"
            " where area = $1 and finding_id = any($2::text[]) and not is_open",
            area,
            list(step),
        )
        following = {decode_version(row["body"]).continued_by for row in rows}
        gone |= {row["finding_id"] for row in rows}
        step = {heir for heir in following if heir is not None} - gone - heirs
        heirs |= step
    return await _find_places(connection, area, list(heirs - gone), sight)


async def _find_places(
    connection: asyncpg.Connection, area: str, finding_ids: Collection[str], sight: Sight
) -> list[Place]:
    rows = await connection.fetch(
        f"""
        select f.finding_id, f.lead_id from {SHOWN}
        where f.area = $4 and f.finding_id = any($5::text[]) order by f.finding_id
        """,
        *sight_arguments(sight),
        area,
        list(finding_ids),
    )
    return [Place(**row) for row in rows]


def _decision(row: asyncpg.Record) -> Decision:
    return Decision(
        area=row["area"],
        lead_id=row["lead_id"],
        decision_id=row["decision_id"],
        lead_version=row["lead_version"],
        decision=Verdict(row["decision"]),
        reason=row["reason"],
        decided_by=row["decided_by"],
        undoes=row["undoes"],
        cites=msgspec.json.decode(row["cites"], type=tuple[Citation, ...]),
        recorded_at=row["recorded_at"].astimezone(UTC),
    )


async def lock_lead(connection: asyncpg.Connection, lead_id: str, seen_version: int, sight: Sight) -> str:
    """Holds a lead in sight still and returns its area. Two people who decide at once stand in line here.

    Raises ``LeadUnknown``, ``LeadChanged``.
    """
    lead = await connection.fetchrow(
        f"select area, version from leads where lead_id = $3 and {in_sight('leads', 1)} for update",
        *place_arguments(sight),
        lead_id,
    )
    if lead is None:
        raise LeadUnknown
    if lead["version"] != seen_version:
        raise LeadChanged
    area: str = lead["area"]
    return area


async def find_cited(connection: asyncpg.Connection, area: str, lead_id: str, sight: Sight) -> tuple[Citation, ...]:
    """The findings of a lead that count today, in the versions that hold."""
    rows = await connection.fetch(
        f"""
        select f.finding_id, f.version from {SHOWN}
        where f.area = $4 and f.lead_id = $5 and f.is_open order by f.finding_id
        """,
        *sight_arguments(sight),
        area,
        lead_id,
    )
    return tuple(Citation(row["finding_id"], row["version"]) for row in rows)


class Draft(msgspec.Struct, frozen=True):
    """A decision before it is kept: ``lead_version`` is the one that was seen."""

    area: str
    lead_id: str
    lead_version: int
    verdict: Verdict
    reason: str
    decided_by: str
    undoes: int | None
    cites: tuple[Citation, ...]


async def append(connection: asyncpg.Connection, draft: Draft) -> Decision:
    """Writes a decision and brings its lead to its next version and state, in the transaction that holds the lead."""
    row = await connection.fetchrow(
        """
        insert into decisions (area, lead_id, lead_version, decision, reason, decided_by, undoes, cites)
        values ($1, $2, $3, $4, $5, $6, $7, $8::jsonb) returning *
        """,
        draft.area,
        draft.lead_id,
        draft.lead_version,
        draft.verdict.value,
        draft.reason,
        draft.decided_by,
        draft.undoes,
        json.dumps(msgspec.to_builtins(draft.cites)),
    )
    assert row is not None
    decision = _decision(row)
    state = state_of(await find_decisions(connection, draft.area, draft.lead_id))
    await connection.execute(
        """
        update leads set version = version + 1, state = $3, assignee = $4, held_until = null, seq = default,
            updated_at = now()
        where area = $1 and lead_id = $2
        """,
        draft.area,
        draft.lead_id,
        state,
        draft.decided_by,
    )
    return decision
