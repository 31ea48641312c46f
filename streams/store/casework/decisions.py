"""Decisions as stored and sent on: written with the lead's next version and an outbox row in one transaction.

Errors: ``LeadUnknown``; ``LeadChanged`` where somebody or something changed the lead first; ``NotHolding`` where a
decision to be undone does not hold.
"""

import json
from collections.abc import Collection, Sequence
from datetime import UTC

import asyncpg
import msgspec

from casework.decisions import Citation, Decision, Verdict, holding, state_of, tidied_reason
from knowledge_base.days import Day, as_date
from streams.bus import Message
from streams.store.casework.leads import decode_version
from streams.store.transport.outbox import save_outbox
from streams.topics import DECISIONS


class Place(msgspec.Struct, frozen=True):
    """Where a finding is now: its name and that of its lead."""

    finding_id: str
    lead_id: str


class DecisionError(Exception):
    """What keeps a decision from being recorded."""


class LeadUnknown(DecisionError):
    """There is no such lead."""


class LeadChanged(DecisionError):
    """The lead is no longer the one that was seen."""


class NotHolding(DecisionError):
    """The decision that was to be undone does not hold (any more)."""


async def save_decision(
    connection: asyncpg.Connection,
    lead_id: str,
    seen_version: int,
    verdict: Verdict,
    reason: str,
    decided_by: str,
    live: Sequence[str],
    today: Day,
) -> Decision:
    """Records a decision on a lead as it was seen, citing the findings of live rules that count today.

    Raises ``ValueError`` for a reason that says nothing, ``LeadUnknown``, ``LeadChanged``.
    """
    reason = tidied_reason(reason)
    if verdict is Verdict.UNDONE:
        raise ValueError("undoing names the decision that it undoes")
    async with connection.transaction():
        area = await _lock_lead(connection, lead_id, seen_version)
        cites = await _find_cited(connection, area, lead_id, live, today)
        return await _append(connection, area, lead_id, seen_version, verdict, reason, decided_by, None, cites)


async def undo_decision(
    connection: asyncpg.Connection, lead_id: str, seen_version: int, decision_id: int, reason: str, decided_by: str
) -> Decision:
    """Takes back the decision that holds; the one before it holds again.

    Raises ``ValueError`` for a reason that says nothing, ``LeadUnknown``, ``LeadChanged``, ``NotHolding``.
    """
    reason = tidied_reason(reason)
    async with connection.transaction():
        area = await _lock_lead(connection, lead_id, seen_version)
        holds = holding(await find_decisions(connection, area, lead_id))
        if holds is None or holds.decision_id != decision_id:
            raise NotHolding
        undone = Verdict.UNDONE
        return await _append(
            connection, area, lead_id, seen_version, undone, reason, decided_by, decision_id, holds.cites
        )


async def find_decisions(connection: asyncpg.Connection, area: str, lead_id: str) -> list[Decision]:
    """All decisions on a lead, oldest first."""
    rows = await connection.fetch(
        "select * from decisions where area = $1 and lead_id = $2 order by decision_id", area, lead_id
    )
    return [_decision(row) for row in rows]


async def find_moved(
    connection: asyncpg.Connection, decision: Decision, live: Sequence[str], today: Day
) -> list[Place]:
    """The findings that a decision cites and that belong to another lead now."""
    cited = [citation.finding_id for citation in decision.cites]
    places = await _find_places(connection, decision.area, cited, live, today)
    return [place for place in places if place.lead_id != decision.lead_id]


async def find_heirs(
    connection: asyncpg.Connection, area: str, finding_ids: Collection[str], live: Sequence[str], today: Day
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
    return await _find_places(connection, area, list(heirs - gone), live, today)


async def _find_places(
    connection: asyncpg.Connection, area: str, finding_ids: Collection[str], live: Sequence[str], today: Day
) -> list[Place]:
    rows = await connection.fetch(
        """
        select finding_id, lead_id from lead_findings
        where area = $1 and finding_id = any($2::text[]) and rule_id = any($3::text[])
            and (excuse_until is null or excuse_until < $4)
        order by finding_id
        """,
        area,
        list(finding_ids),
        live,
        as_date(today),
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


async def _lock_lead(connection: asyncpg.Connection, lead_id: str, seen_version: int) -> str:
    """Holds a lead still and returns its area. Two people who decide at once stand in line here."""
    lead = await connection.fetchrow("select area, version from leads where lead_id = $1 for update", lead_id)
    if lead is None:
        raise LeadUnknown
    if lead["version"] != seen_version:
        raise LeadChanged
    area: str = lead["area"]
    return area


async def _find_cited(
    connection: asyncpg.Connection, area: str, lead_id: str, live: Sequence[str], today: Day
) -> tuple[Citation, ...]:
    rows = await connection.fetch(
        """
        select finding_id, version from lead_findings
        where area = $1 and lead_id = $2 and is_open and rule_id = any($3::text[])
            and (excuse_until is null or excuse_until < $4)
        order by finding_id
        """,
        area,
        lead_id,
        live,
        as_date(today),
    )
    return tuple(Citation(row["finding_id"], row["version"]) for row in rows)


async def _append(
    connection: asyncpg.Connection,
    area: str,
    lead_id: str,
    seen_version: int,
    verdict: Verdict,
    reason: str,
    decided_by: str,
    undoes: int | None,
    cites: tuple[Citation, ...],
) -> Decision:
    row = await connection.fetchrow(
        """
        insert into decisions (area, lead_id, lead_version, decision, reason, decided_by, undoes, cites)
        values ($1, $2, $3, $4, $5, $6, $7, $8::jsonb) returning *
        """,
        area,
        lead_id,
        seen_version,
        verdict.value,
        reason,
        decided_by,
        undoes,
        json.dumps(msgspec.to_builtins(cites)),
    )
    assert row is not None
    decision = _decision(row)
    state = state_of(await find_decisions(connection, area, lead_id))
    await connection.execute(
        """
        update leads set version = version + 1, state = $3, assignee = $4, seq = default, updated_at = now()
        where area = $1 and lead_id = $2
        """,
        area,
        lead_id,
        state,
        decided_by,
    )
    message = Message(lead_id.encode(), msgspec.json.encode(decision), "console")
    await save_outbox(connection, DECISIONS, [message])
    return decision
