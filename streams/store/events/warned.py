"""Warnings as stored, with what doctors did about them and what was found after the settlement.

Every query takes a ``Sight`` and tells of warnings of its areas and institutions alone. Told are those that somebody
could read: not what was said in the encounter before, and not what came after the answer. A warning's finding is one of
the same rule on the same occurrence that somebody with that sight may see.
"""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

import asyncpg
import msgspec
from msgspec.structs import replace

from casework.sight import Sight
from knowledge_base.events.prescriptions import Prescription, WarnedOrder
from streams.messages.codec import decode_stored
from streams.store.events.prescriptions import decode_orders
from streams.store.events.replies import LATEST
from streams.store.events.stored import load_bodies
from streams.store.sights import SHOWN, in_sight, place_arguments, sight_arguments

Way = Literal["continue", "change"]
Reply = Literal[Way, "none"]


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Where a page of warnings ended; ``asked_at`` is UTC."""

    asked_at: datetime
    area: str
    warning_id: str


class WarningFilter(msgspec.Struct, frozen=True):
    """Which warnings, from where on; ``None`` means all. Days are civil days in China, both included; ``found`` says
    whether a finding came of it, ``reply`` what was done last about one that was told."""

    institution: str | None = None
    department: str | None = None
    rule: str | None = None
    phase: str | None = None
    first: date | None = None
    last: date | None = None
    reply: Reply | None = None
    found: bool | None = None
    after: Cursor | None = None


class WarningRow(msgspec.Struct, frozen=True):
    """A warning as it is listed; instants are UTC, ``in_question`` yuan.

    ``way``, ``replied_at`` and whether a reason was given are of the latest reply; ``lead_id`` is of the finding that
    came of it, ``state`` what was decided on that (``open`` before), both ``None`` where none stands; ``repeats`` names
    the warning of the encounter that said it first; ``late`` says that nobody was told, as the gateway was out of time;
    ``practitioner`` placed the order in question, or is the doctor of the encounter where that was not told;
    ``billed`` whether any order in question was billed all the same, as far as the ledger of orders is written.
    """

    area: str
    warning_id: str
    seq: int
    asked_at: datetime
    institution: str
    institution_name: str | None
    encounter_id: str
    department: str | None
    department_name: str | None
    practitioner: str | None
    phase: str
    rule_id: str
    severity: int
    said: str
    in_question: Decimal
    code: str | None
    rule_set: str | None
    repeats: str | None
    late: bool
    way: Way | None
    replied_at: datetime | None
    reasoned: bool
    billed: bool
    finding_id: str
    lead_id: str | None
    state: str | None

    @property
    def found(self) -> bool:
        return self.lead_id is not None

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.asked_at, self.area, self.warning_id)


def finding_of(which: str = "true") -> str:
    """The finding that came of a warning ``w`` and that somebody may see, as SQL: looked up for ``which`` of them."""
    return f"""
        left join (
            select f.area, f.finding_id, f.lead_id, coalesce(f.verdict, 'open') as state from {SHOWN} where f.is_open
        ) as finding on finding.area = w.area and finding.finding_id = w.finding_id and {which}
    """


TOLD = "w.repeats is null and not w.late"
"""That a warning ``w`` was told somebody, as SQL."""

BILLED = """
    exists (
        select from order_entries o where o.area = w.area and o.institution = w.institution
            and o.encounter_id = w.encounter_id and o.billed_line is not null
            and coalesce(w.repeats, w.warning_id) = any(o.warnings || o.untold)
    )
"""
"""That any order in question of a warning ``w`` was billed all the same, as far as the ledger of orders is written."""

_CHOSEN = {
    "institution": "w.institution = {}",
    "department": "w.department = {}",
    "rule": "w.rule_id = {}",
    "phase": "w.phase = {}",
    "first": "w.asked_at >= {}::date::timestamp at time zone 'Asia/Shanghai'",
    "last": "w.asked_at < ({}::date + 1)::timestamp at time zone 'Asia/Shanghai'",
    "reply": f"({TOLD} and coalesce(r.way, 'none') = {{}})",
    "found": "(finding.lead_id is not null) = {}",
}


def chosen_of(chosen: WarningFilter, names: Iterable[str], arguments: list[object], at: int = 2) -> str:
    """The conditions of some parts of a filter, and that a row ``w`` is in sight (``$at``), as SQL; what they compare
    with is added to the arguments."""
    conditions = [in_sight("w", at)]
    for name in names:
        value = getattr(chosen, name)
        if value is not None:
            arguments.append(value)
            conditions.append(_CHOSEN[name].format(f"${len(arguments)}"))
    return " and ".join(f"({condition})" for condition in conditions)


_ROWS = f"""
    select w.area, w.warning_id, w.seq, w.asked_at, w.institution, i.name as institution_name, w.encounter_id,
        w.department, w.department_name, coalesce(w.practitioner, p.practitioner) as practitioner, w.phase, w.rule_id,
        w.severity, w.said, w.in_question, p.code, p.rule_set, w.repeats, w.late, r.way, r.replied_at,
        r.reason is not null as reasoned, w.finding_id, finding.lead_id, finding.state, {BILLED} as billed
    from warnings w
    join prescriptions p using (area, seq)
    left join institutions i on i.institution = w.institution
    {LATEST} {finding_of()}
"""


async def find_warnings(
    connection: asyncpg.Connection, chosen: WarningFilter, sight: Sight, most: int
) -> list[WarningRow]:
    """At most so many warnings, those last asked about first."""
    arguments = sight_arguments(sight)
    if chosen.institution is None and sight.institutions is not None and len(sight.institutions) == 1:
        (only,) = sight.institutions  # said as one, an index gives its warnings in their order
        chosen = replace(chosen, institution=only)
    where = chosen_of(chosen, _CHOSEN, arguments)
    if chosen.after is not None:
        at = len(arguments)
        arguments += [chosen.after.asked_at, chosen.after.area, chosen.after.warning_id]
        where += f" and (w.asked_at, w.area, w.warning_id) < (${at + 1}, ${at + 2}, ${at + 3})"
    rows = await connection.fetch(
        f"{_ROWS} where {where} order by w.asked_at desc, w.area desc, w.warning_id desc limit ${len(arguments) + 1}",
        *arguments,
        most,
    )
    return [WarningRow(**row) for row in rows]


async def find_warning(connection: asyncpg.Connection, area: str, warning_id: str, sight: Sight) -> WarningRow | None:
    """A warning in sight, ``None`` where there is none of that name."""
    row = await connection.fetchrow(
        f"{_ROWS} where {in_sight('w')} and w.area = $4 and w.warning_id = $5",
        *sight_arguments(sight),
        area,
        warning_id,
    )
    return None if row is None else WarningRow(**row)


async def find_place(connection: asyncpg.Connection, warning_id: str) -> Cursor | None:
    """Where a page ends whose last warning is one of that name."""
    row = await connection.fetchrow(
        "select asked_at, area, warning_id from warnings where warning_id = $1 order by area limit 1", warning_id
    )
    return None if row is None else Cursor(**row)


class LookedAt(msgspec.Struct, frozen=True):
    """How many requests there were, of how many the rules had no say in time, and when the last was asked (UTC)."""

    requests: int
    late: int
    last_at: datetime | None


async def find_looked_at(connection: asyncpg.Connection, chosen: WarningFilter, sight: Sight) -> LookedAt:
    """The requests of an institution, department, phase and of some days: where none was warned of, what was asked."""
    arguments = place_arguments(sight)
    where = chosen_of(chosen, ("institution", "department", "phase", "first", "last"), arguments, 1)
    row = await connection.fetchrow(
        f"""
        select count(*) as requests, count(*) filter (where w.judged_late or w.rule_set is null) as late,
            max(w.asked_at) as last_at
        from prescriptions w where {where}
        """,
        *arguments,
    )
    assert row is not None
    return LookedAt(**row)


async def find_last_asked(connection: asyncpg.Connection, sight: Sight) -> datetime | None:
    """When an institution in sight asked last (UTC), ``None`` where none did; looked up for each that ever asked."""
    last: datetime | None = await connection.fetchval(
        f"""
        select max((select max(p.asked_at) from prescriptions p
            where p.institution = a.institution and p.area = a.area))
        from asking_institutions a where {in_sight("a", 1)}
        """,
        *place_arguments(sight),
    )
    return last


async def find_places(connection: asyncpg.Connection, sight: Sight) -> list[tuple[str, str | None]]:
    """The institutions in sight that were warned of anything, with their names; found from one to the next."""
    rows = await connection.fetch(
        f"""
        with recursive places (institution) as (
            (select institution from warnings order by institution limit 1)
            union all
            select (select w.institution from warnings w where w.institution > p.institution
                order by w.institution limit 1)
            from places p where p.institution is not null)
        select p.institution, i.name from places p left join institutions i using (institution)
        where exists (select from warnings w where w.institution = p.institution and {in_sight("w", 1)})
        order by coalesce(i.name, p.institution)
        """,
        *place_arguments(sight),
    )
    return [(row["institution"], row["name"]) for row in rows]


class Replied(msgspec.Struct, frozen=True):
    """One reply to a warning; ``seq`` is its arrival number, ``replied_at`` UTC."""

    seq: int
    replied_at: datetime
    phase: str
    way: Way
    reasoned: bool


class View(msgspec.Struct, frozen=True):
    """That somebody opened the reasons given about a warning, and for what; ``seen_at`` is UTC."""

    seen_by: str
    purpose: str
    seen_at: datetime


class Detail(msgspec.Struct, frozen=True):
    """What else is kept of a warning: the orders that it is about, the request, all replies, and who opened reasons.

    ``request`` is ``None`` where its message rests elsewhere; the latest reply and view come first.
    """

    orders: tuple[WarnedOrder, ...]
    value: Decimal
    limit: Decimal
    answered_at: datetime | None
    as_of: int | None
    patient: str
    request: Prescription | None
    replies: list[Replied]
    views: list[View]


async def load_detail(connection: asyncpg.Connection, of: WarningRow) -> Detail:
    """The rest of a warning that was found in sight."""
    row = await connection.fetchrow(
        """
        select w.orders, w.value, w."limit", p.answered_at, p.as_of, p.patient, p.event_id
        from warnings w join prescriptions p using (area, seq) where w.area = $1 and w.warning_id = $2
        """,
        of.area,
        of.warning_id,
    )
    assert row is not None
    bodies = await load_bodies(connection, of.area, [row["event_id"]])
    request = decode_stored(bodies[row["event_id"]]) if bodies else None
    replies = await connection.fetch(
        """
        select seq, replied_at, phase, way, reason is not null as reasoned from replies
        where area = $1 and warning_id = $2 and institution = $3 order by seq desc
        """,
        of.area,
        of.warning_id,
        of.institution,
    )
    views = await connection.fetch(
        "select seen_by, purpose, seen_at from reason_views where area = $1 and warning_id = $2 order by view desc",
        of.area,
        of.warning_id,
    )
    return Detail(
        orders=decode_orders(row["orders"]),
        value=row["value"],
        limit=row["limit"],
        answered_at=row["answered_at"],
        as_of=row["as_of"],
        patient=row["patient"],
        request=request if isinstance(request, Prescription) else None,
        replies=[Replied(**reply) for reply in replies],
        views=[View(**view) for view in views],
    )


async def save_view(connection: asyncpg.Connection, of: WarningRow, seen_by: str, purpose: str) -> dict[int, str]:
    """Notes that somebody opens what doctors gave as reasons about a warning, and returns these as they are sealed, by
    the reply's arrival number."""
    rows = await connection.fetch(
        """
        with seen as (insert into reason_views (area, warning_id, seen_by, purpose) values ($1, $2, $4, $5))
        select seq, reason from replies
        where area = $1 and warning_id = $2 and institution = $3 and reason is not null
        """,
        of.area,
        of.warning_id,
        of.institution,
        seen_by,
        purpose,
    )
    return {row["seq"]: row["reason"] for row in rows}
