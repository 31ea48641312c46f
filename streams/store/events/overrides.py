"""What doctors did about warnings, in figures: of some days for pages, and of a year as a label of rules."""

from typing import NamedTuple

import asyncpg
import msgspec

from casework.overrides import Overrides
from casework.sight import Sight
from streams.store.events.replies import LATEST
from streams.store.events.warned import BILLED, TOLD, WarningFilter, chosen_of, finding_of
from streams.store.sights import in_sight, place_arguments, sight_arguments

_LOCK = 0x4F564552  # "OVER": who counts while another does waits, and finds nothing changed


class Ward(NamedTuple):
    """A department of an institution by its code, with a name that was told of it."""

    institution: str
    institution_name: str | None
    department: str | None
    department_name: str | None


class Figures(msgspec.Struct, frozen=True):
    """What was done about the warnings that were told, in all, by department and by rule, those told most first.

    Beside them: how many were not told as they had been before (``again``) or too ``late``, and how many ``wards`` and
    rules there are.
    """

    total: Overrides
    again: int
    late: int
    by_ward: list[tuple[Ward, Overrides]]
    wards: int
    by_rule: list[tuple[str, Overrides]]


_COUNTS = f"""
    count(*) filter (where {TOLD}) as told,
    count(*) filter (where {TOLD} and r.way = 'change') as changed,
    count(*) filter (where {TOLD} and r.way = 'continue') as continued,
    count(*) filter (where {TOLD} and r.way = 'continue' and r.reason is not null) as reasoned,
    count(*) filter (where {TOLD} and r.way = 'continue' and finding.lead_id is not null) as found,
    count(*) filter (where {TOLD} and r.way = 'continue' and finding.state = 'confirmed') as confirmed,
    count(*) filter (where {TOLD} and r.way = 'continue' and finding.state = 'dismissed') as dismissed
"""
_MONEY = f"""
    coalesce(sum(w.in_question) filter (where {TOLD}), 0) as in_question,
    coalesce(sum(w.in_question) filter (where {TOLD} and r.way = 'continue'), 0) as continued_in_question
"""
_BILLED = """
    count(*) filter (where b.billed) as billed,
    coalesce(sum(w.in_question) filter (where b.billed), 0) as billed_in_question
"""
_FINDING = finding_of("r.way = 'continue'")
_BY_WARD, _BY_RULE = 1, 2
_OF_ALL = ("institution", "department", "rule", "phase", "first", "last")
"""What of a filter chooses among warnings whatever came of them: shares are told of these."""


async def find_figures(connection: asyncpg.Connection, chosen: WarningFilter, sight: Sight, most: int) -> Figures:
    """Figures over the warnings that a filter chooses, whatever was replied and found; at most so many departments."""
    arguments = sight_arguments(sight)
    where = chosen_of(chosen, _OF_ALL, arguments)
    rows = await connection.fetch(
        f"""
        select grouping(w.institution, w.rule_id) as by, w.institution, w.department, w.rule_id,
            max(w.department_name) as department_name,
            (select name from institutions i where i.institution = w.institution) as institution_name,
            count(*) filter (where w.repeats is not null and not w.late) as again,
            count(*) filter (where w.late) as late,
            {_COUNTS}, {_MONEY}, {_BILLED}
        from warnings w {LATEST} {_FINDING}
        cross join lateral (select {TOLD} and {BILLED} as billed offset 0) as b
        where {where}
        group by grouping sets ((), (w.institution, w.department), (w.rule_id))
        order by told desc, w.institution, w.department, w.rule_id
        """,
        *arguments,
    )
    (whole,) = [row for row in rows if row["by"] == _BY_WARD | _BY_RULE]
    wards = [row for row in rows if row["by"] == _BY_WARD and row["told"]]
    return Figures(
        total=_overrides(whole),
        again=whole["again"],
        late=whole["late"],
        by_ward=[(_ward(row), _overrides(row)) for row in wards[:most]],
        wards=len(wards),
        by_rule=[(row["rule_id"], _overrides(row)) for row in rows if row["by"] == _BY_RULE and row["told"]],
    )


def _ward(row: asyncpg.Record) -> Ward:
    return Ward(**{name: row[name] for name in Ward._fields})


def _overrides(row: asyncpg.Record) -> Overrides:
    return Overrides(**{name: row[name] for name in Overrides._fields})


_COUNTED = ("told", "changed", "continued", "reasoned", "found", "confirmed", "dismissed")
"""What is counted of a year: without money, and without what was billed, which the ledger may write later."""


def _columns(row: str = "") -> str:
    return ", ".join(f"{row}{name}" for name in _COUNTED)


_COUNTED_ANEW = f"""
        with now_counted as (
            select w.area, w.institution, w.rule_id, {_COUNTS} from warnings w {LATEST} {_FINDING}
            where {in_sight("w")} and w.asked_at >= ($1::date - 365)::timestamp at time zone 'Asia/Shanghai'
            group by w.area, w.institution, w.rule_id
        ), gone as (
            delete from overrides o where not exists (
                select from now_counted n where (n.area, n.institution, n.rule_id) = (o.area, o.institution, o.rule_id))
            returning 1
        ), changed as (
            insert into overrides as o (area, institution, rule_id, {_columns()})
            select area, institution, rule_id, {_columns()} from now_counted
            on conflict (area, institution, rule_id) do update
                set ({_columns()}) = ({_columns("excluded.")})
                where ({_columns("o.")})
                    is distinct from ({_columns("excluded.")})
            returning 1
        )
        select 1 from gone union all select 1 from changed
"""


async def find_overrides(connection: asyncpg.Connection, rules: list[str], sight: Sight) -> dict[str, Overrides]:
    """What doctors did about the warnings of some rules at the institutions in sight, as it was counted last; without
    money and what was billed, and without rules of which nothing was told."""
    rows = await connection.fetch(
        f"""
        select o.rule_id, {", ".join(f"sum(o.{name})::bigint as {name}" for name in _COUNTED)}
        from overrides o where o.rule_id = any($3::text[]) and {in_sight("o", 1)} group by o.rule_id
        """,
        *place_arguments(sight),
        rules,
    )
    return {row["rule_id"]: Overrides(**{name: row[name] for name in _COUNTED}) for row in rows}


async def count_overrides(connection: asyncpg.Connection, sight: Sight) -> int:
    """Counts anew what was done about the warnings of the year up to a day, and says how many rows changed.

    ``sight`` is that of whoever sees everything.
    """
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
        rows = await connection.fetch(_COUNTED_ANEW, *sight_arguments(sight))
    return len(rows)
