"""Decisions as stored: written with the lead's next version. What people set going is ``streams.acts.decide``.

Errors: ``LeadUnknown``; ``FindingsChanged`` where somebody or something changed one of the findings first;
``NothingChosen``; ``NotHolding`` where a decision to be undone does not hold.
"""

import json
from collections.abc import Collection
from datetime import UTC
from typing import Any, NamedTuple

import asyncpg
import msgspec

from casework.decisions import Citation, Decision, Entry, Ground, Recorded, Scope, Verdict
from casework.sight import Sight
from knowledge_base.days import Day, as_date
from streams.messages.versions import decode_version
from streams.store.casework.leads import save_totals
from streams.store.casework.listing import Chosen, chosen_arguments, is_chosen
from streams.store.sights import SHOWN, in_sight, place_arguments, sight_arguments


class Place(msgspec.Struct, frozen=True):
    """Where a finding is now: its name and that of its lead."""

    finding_id: str
    lead_id: str


class DecisionError(Exception):
    """What keeps a decision from being recorded."""


class LeadUnknown(DecisionError):
    """There is no such lead, or it is out of sight."""


class FindingsChanged(DecisionError):
    """Some findings are no longer what was seen: revised, withdrawn, or decided on meanwhile."""


class NothingChosen(DecisionError):
    """No finding was chosen."""


class NotHolding(DecisionError):
    """The decision that was to be undone does not hold (any more)."""


async def find_decisions(connection: asyncpg.Connection, area: str, lead_id: str) -> list[Decision]:
    """All decisions on a lead, oldest first."""
    rows = await connection.fetch(
        "select * from decisions where area = $1 and lead_id = $2 order by decision_id", area, lead_id
    )
    return [_decision(row) for row in rows]


async def find_history(connection: asyncpg.Connection, area: str, lead_id: str) -> list[Entry]:
    """The same, but for what they cite."""
    rows = await connection.fetch(
        f"""
        select {_RECORDED}, (
            select count(*) from citations c where c.area = d.area and c.decision_id = d.decision_id) as cited
        from decisions d where area = $1 and lead_id = $2 order by decision_id
        """,
        area,
        lead_id,
    )
    return [Entry(**_recorded(row), cited=row["cited"]) for row in rows]


async def find_decision(connection: asyncpg.Connection, area: str, decision_id: int) -> Decision:
    """A decision by its number. Raises ``LookupError``."""
    row = await connection.fetchrow("select * from decisions where area = $1 and decision_id = $2", area, decision_id)
    if row is None:
        raise LookupError(f"there is no decision {decision_id}")
    return _decision(row)


class Aftermath(msgspec.Struct, frozen=True):
    """What became of findings of a lead that were decided on: how many were revised, which were withdrawn, and which
    belong to another lead now."""

    revised: int
    withdrawn: list[str]
    moved: list[Place]


async def find_aftermath(connection: asyncpg.Connection, area: str, lead_id: str, sight: Sight) -> Aftermath:
    """What became of findings of a lead since they were decided on."""
    rows = await connection.fetch(
        """
        select f.finding_id, f.is_open from lead_findings f
        where f.area = $1 and f.lead_id = $2 and f.decision_id is not null
            and (not f.is_open or f.cited_version <> f.version) order by f.finding_id
        """,
        area,
        lead_id,
    )
    cited = await connection.fetch(
        """
        select f.finding_id from decisions d cross join lateral (
            select finding_id from lead_findings
            where area = $1 and decision_id = d.decision_id and lead_id < $2 and cited_version > 0
            union all
            select finding_id from lead_findings
            where area = $1 and decision_id = d.decision_id and lead_id > $2 and cited_version > 0
        ) f where d.area = $1 and d.lead_id = $2
        """,
        area,
        lead_id,
    )
    moved = await _find_places(connection, area, [row["finding_id"] for row in cited], sight)
    withdrawn = [row["finding_id"] for row in rows if not row["is_open"]]
    return Aftermath(len(rows) - len(withdrawn), withdrawn, moved)


async def find_holding(connection: asyncpg.Connection, area: str, lead_id: str) -> dict[int, int]:
    """On how many findings each standing decision on a lead holds, but for those that hold on none any more.

    A decision that cites none, as of before it might, holds on the lead alone: on 0.
    """
    rows = await connection.fetch(
        """
        select d.decision_id, held.findings from decisions d cross join lateral (
            select count(*) as findings from lead_findings f
            where f.area = $1 and f.decision_id = d.decision_id and f.cited_version > 0
        ) held
        where d.area = $1 and d.lead_id = $2 and d.decision <> 'undone'
            and not exists (select from decisions u where u.area = d.area and u.undoes = d.decision_id)
            and (held.findings > 0
                or not exists (select from citations c where c.area = d.area and c.decision_id = d.decision_id))
        """,
        area,
        lead_id,
    )
    return {row["decision_id"]: row["findings"] for row in rows}


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


_RECORDED = ", ".join(Recorded.__struct_fields__)


def _recorded(row: asyncpg.Record) -> dict[str, Any]:
    """The fields of ``Recorded``."""
    return {name: row[name] for name in Recorded.__struct_fields__} | {
        "decision": Verdict(row["decision"]),
        "recorded_at": row["recorded_at"].astimezone(UTC),
        "scope": Scope(row["scope"]),
        "ground": None if row["ground"] is None else Ground(row["ground"]),
    }


def _decision(row: asyncpg.Record) -> Decision:
    return Decision(**_recorded(row), cites=msgspec.json.decode(row["cites"], type=tuple[Citation, ...]))


class Held(NamedTuple):
    """A lead that a transaction holds still: its area, and its version now."""

    area: str
    version: int


async def lock_lead(connection: asyncpg.Connection, lead_id: str, sight: Sight) -> Held:
    """Holds a lead in sight still. Two people who decide at once stand in line here. Raises ``LeadUnknown``."""
    row = await connection.fetchrow(
        f"select area, version from leads where lead_id = $3 and {in_sight('leads', 1)} for update",
        *place_arguments(sight),
        lead_id,
    )
    if row is None:
        raise LeadUnknown
    return Held(**row)


async def find_chosen(
    connection: asyncpg.Connection, area: str, lead_id: str, chosen: Chosen, seen: int, sight: Sight
) -> tuple[Citation, ...]:
    """The findings that somebody chose on a lead as it was ``seen``, in the versions that hold, by name.

    What came into the lead since was not seen and is left out. Raises ``FindingsChanged`` where one of the others was
    revised, withdrawn, moved, or decided on since, ``NothingChosen``.
    """
    rows = await connection.fetch(
        f"""
        select f.finding_id, f.version, f.lead_id <> $6 or f.lead_version > $4 or acted.is_acted_on as is_changed
        from {SHOWN} cross join lateral (
            select exists (
                select from citations c join decisions d using (area, decision_id)
                where c.area = f.area and c.finding_id = f.finding_id and d.lead_id = f.lead_id and d.lead_version >= $4
            ) as is_acted_on
        ) acted
        where f.area = $5 and {is_chosen(chosen, 7)} and (
            f.lead_id = $6 and (f.is_open or f.lead_version > $4) and coalesce(f.raised_in, f.lead_version) <= $4
            or f.lead_id <> $6 and f.finding_id = any(array(
                select d.finding_id from lead_departures d
                where d.area = $5 and d.lead_id = $6 and d.lead_version > $4)))
        order by f.finding_id
        """,
        *sight_arguments(sight),
        seen,
        area,
        lead_id,
        *chosen_arguments(chosen),
    )
    if any(row["is_changed"] for row in rows) or set(chosen.findings) - {row["finding_id"] for row in rows}:
        raise FindingsChanged
    if not rows:
        raise NothingChosen
    return tuple(Citation(row["finding_id"], row["version"]) for row in rows)


class Draft(msgspec.Struct, frozen=True):
    """A decision before it is kept."""

    area: str
    lead_id: str
    lead_version: int
    verdict: Verdict
    ground: Ground | None
    reason: str
    decided_by: str
    undoes: int | None
    cites: tuple[Citation, ...]


async def append(connection: asyncpg.Connection, draft: Draft, today: Day) -> Decision:
    """Writes a decision and brings its lead to its next version and sums, in the transaction that holds the lead.

    A lead that nobody has ``today`` is then with whoever decided; one that a colleague has stays with the colleague.
    The store itself brings what holds on the findings up to date, and marks other leads whose findings it concerns.
    """
    row = await connection.fetchrow(
        """
        insert into decisions (area, lead_id, lead_version, decision, ground, reason, decided_by, undoes, cites, scope)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9::jsonb, 'findings') returning *
        """,
        draft.area,
        draft.lead_id,
        draft.lead_version,
        draft.verdict.value,
        draft.ground,
        draft.reason,
        draft.decided_by,
        draft.undoes,
        json.dumps(msgspec.to_builtins(draft.cites)),
    )
    assert row is not None
    await connection.execute(
        """
        update leads set version = version + 1, seq = default, updated_at = now(),
            assignee = case when assignee is null or held_until < $4 then $3 else assignee end,
            held_until = case when assignee is null or held_until < $4 then null else held_until end
        where area = $1 and lead_id = $2
        """,
        draft.area,
        draft.lead_id,
        draft.decided_by,
        as_date(today),
    )
    await save_totals(connection, [(draft.area, draft.lead_id)])
    return _decision(row)
