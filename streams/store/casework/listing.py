"""A lead's findings as people list, fold and choose them.

Folded are findings of one rule on the same items, or of one patient; a group is named by what its findings share.
"""

from collections.abc import Collection
from datetime import date
from decimal import Decimal
from typing import Literal

import asyncpg
import msgspec

from casework.sight import Sight
from knowledge_base.findings import FindingVersion
from streams.messages.versions import decode_version
from streams.store.sights import SHOWN, sight_arguments

Show = Literal["open", "decided", "all"]
Fold = Literal["item", "patient"]
State = Literal["open", "returned", "confirmed", "dismissed"]

_SHARED = {
    "item": "f.rule_id || ' ' || array_to_string(coalesce(f.items, '{}'), ' ')",
    "patient": "f.subject_kind || ' ' || f.subject",
}
"""What the findings of a group share. Its name is a hash of it: a pseudonym has no place in an address."""


def last_act(row: str) -> str:
    """The last decision on the lead of a row, or undoing of one, as the row ``last`` in SQL."""
    return f"""
        left join lateral (
            select d.lead_version, d.recorded_at from decisions d
            where d.area = {row}.area and d.lead_id = {row}.lead_id order by d.decision_id desc limit 1
        ) last on true
    """


IS_NEW = """
    (f.verdict is null and coalesce(
        coalesce(f.raised_in, f.lead_version) > last.lead_version
        or f.excuse_until >= (last.recorded_at at time zone 'Asia/Shanghai')::date, false))
"""
"""That a row ``f`` came into its lead after its ``last_act``, or was not shown on its day yet, as SQL."""


class Listing(msgspec.Struct, frozen=True):
    """Which findings of a lead are listed, and how folded; ``least`` is the least money in question, in yuan."""

    show: Show = "open"
    fold: Fold = "item"
    least: Decimal | None = None


class Chosen(msgspec.Struct, frozen=True):
    """What somebody ticked in a listing: all of it, groups, findings; ``left_out`` are those that they unticked."""

    listing: Listing = Listing()
    everything: bool = False
    groups: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


class Group(msgspec.Struct, frozen=True):
    """Findings that fold into one row; ``in_question`` in yuan, each line once. ``rule_id`` and ``items`` are those of
    one finding: all share them where they are folded by item."""

    group: str
    rule_id: str
    items: list[str]
    subject_kind: str
    subject: str
    findings: int
    undecided: int
    people: int
    rules: int
    in_question: Decimal
    newest_day: date


class StateSum(msgspec.Struct, frozen=True):
    """What a lead's findings in one state come to, each line once."""

    state: str
    findings: int
    people: int
    in_question: Decimal


class Listed(msgspec.Struct, frozen=True):
    """A finding with what was decided on it; ``cited_version`` is 0 where that was decided on one it goes on with.

    ``is_new``: nobody who decided on the lead can have seen it.
    """

    version: FindingVersion
    state: State
    decision_id: int | None
    cited_version: int | None
    is_new: bool


def name_of(fold: Fold) -> str:
    """The name of the group of a row ``f``, as SQL."""
    return f"md5({_SHARED[fold]})"


def is_listed(listing: Listing, at: int) -> str:
    """That a row ``f`` stands in a listing, as SQL; ``$at`` is the least money."""
    shown = {"open": "f.verdict is null", "decided": "f.verdict is not null", "all": "true"}[listing.show]
    return f"({shown} and {has_least(at)})"


def has_least(at: int) -> str:
    """That a row ``f`` has the least money (``$at``), as SQL."""
    return f"(${at}::numeric is null or f.in_question >= ${at})"


def lines_of(row: str) -> str:
    """The lines in dispute of a finding, as the row ``l`` in SQL: finding by finding by their index, lest a planner
    read all lines of the lead for each of its findings."""
    return f"""
        cross join lateral (
            select line, in_question, in_fund, loss from lead_lines
            where area = {row}.area and finding_id = {row}.finding_id offset 0
        ) l
    """


async def find_groups(
    connection: asyncpg.Connection, area: str, lead_id: str, listing: Listing, sight: Sight, offset: int, limit: int
) -> list[Group]:
    """The groups of a listing, the most serious first, then those with the most money."""
    rows = await connection.fetch(
        f"""
        with listed as materialized (
            select f.area, f.finding_id, f.rule_id, f.items, f.subject_kind, f.subject, f.verdict, f.severity,
                f.last_day, {name_of(listing.fold)} as "group"
            from {SHOWN}
            where f.area = $4 and f.lead_id = $5 and f.is_open and {is_listed(listing, 6)}
        ),
        money as (
            select of_lines."group", sum(of_lines.in_question) as in_question
            from (
                select f."group", l.line, max(l.in_question) as in_question
                from listed f {lines_of("f")} group by 1, 2
            ) of_lines group by 1
        )
        select f."group", min(f.rule_id) as rule_id, coalesce(min(f.items), '{{}}') as items,
            min(f.subject_kind) as subject_kind, min(f.subject) as subject, count(*) as findings,
            count(*) filter (where f.verdict is null) as undecided,
            count(distinct f.subject) filter (where f.subject_kind = 'patient') as people,
            count(distinct f.rule_id) as rules, coalesce(min(m.in_question), 0) as in_question,
            max(f.last_day) as newest_day
        from listed f left join money m using ("group")
        group by f."group" order by min(f.severity), 10 desc, 1 offset $7 limit $8
        """,
        *sight_arguments(sight),
        area,
        lead_id,
        listing.least,
        offset,
        limit,
    )
    return [Group(**row) for row in rows]


async def find_group_of(
    connection: asyncpg.Connection, area: str, finding_id: str, listing: Listing, sight: Sight
) -> str | None:
    """The group of a finding, where it stands in the listing."""
    group: str | None = await connection.fetchval(
        f"""
        select {name_of(listing.fold)} from {SHOWN}
        where f.area = $4 and f.finding_id = $5 and f.is_open and {is_listed(listing, 6)}
        """,
        *sight_arguments(sight),
        area,
        finding_id,
        listing.least,
    )
    return group


async def find_listed(
    connection: asyncpg.Connection,
    area: str,
    lead_id: str,
    listing: Listing,
    group: str | None,
    sight: Sight,
    offset: int,
    limit: int,
) -> list[Listed]:
    """Findings of a listing, of one group or of all: the most serious first, then those with the most money."""
    rows = await connection.fetch(
        f"""
        select {_LISTED} from {SHOWN} {last_act("f")}
        where f.area = $4 and f.lead_id = $5 and f.is_open and {is_listed(listing, 6)}
            and ($7::text is null or {name_of(listing.fold)} = $7)
        order by f.severity, f.in_question desc nulls last, f.last_day desc, f.finding_id offset $8 limit $9
        """,
        *sight_arguments(sight),
        area,
        lead_id,
        listing.least,
        group,
        offset,
        limit,
    )
    return [_listed(row) for row in rows]


async def find_finding(connection: asyncpg.Connection, finding_id: str, sight: Sight) -> tuple[Listed, str] | None:
    """A finding that may be shown today, open or withdrawn, with the name of its lead."""
    row = await connection.fetchrow(
        f"select f.lead_id, {_LISTED} from {SHOWN} {last_act('f')} where f.finding_id = $4",
        *sight_arguments(sight),
        finding_id,
    )
    return None if row is None else (_listed(row), row["lead_id"])


_LISTED = f"f.body, coalesce(f.verdict, 'open') as state, f.decision_id, f.cited_version, {IS_NEW} as is_new"


def _listed(row: asyncpg.Record) -> Listed:
    return Listed(decode_version(row["body"]), row["state"], row["decision_id"], row["cited_version"], row["is_new"])


async def find_state_sums(connection: asyncpg.Connection, area: str, lead_id: str, sight: Sight) -> dict[str, StateSum]:
    """What a lead's findings come to by their state, as they count today."""
    rows = await connection.fetch(
        f"""
        with counting as materialized (
            select f.area, f.finding_id, coalesce(f.verdict, 'open') as state, f.subject_kind, f.subject
            from {SHOWN} where f.area = $4 and f.lead_id = $5 and f.is_open
        ),
        money as (
            select of_lines.state, sum(of_lines.in_question) as in_question
            from (
                select f.state, l.line, max(l.in_question) as in_question
                from counting f {lines_of("f")} group by 1, 2
            ) of_lines group by 1
        )
        select f.state, count(*) as findings,
            count(distinct f.subject) filter (where f.subject_kind = 'patient') as people,
            coalesce(min(m.in_question), 0) as in_question
        from counting f left join money m using (state) group by f.state
        """,
        *sight_arguments(sight),
        area,
        lead_id,
    )
    return {row["state"]: StateSum(**row) for row in rows}


def is_chosen(chosen: Chosen, at: int) -> str:
    """That a row ``f`` was chosen, as SQL with the arguments of ``chosen_arguments`` from ``$at`` on.

    What was in a listing is told by what holds now; ``is_acted_on`` (a column of ``acted``) puts a finding in it that
    somebody decided on, or took a decision back from, meanwhile.
    """
    listed = f"({is_listed(chosen.listing, at + 4)} or acted.is_acted_on and {has_least(at + 4)})"
    in_group = f"(${at} or {name_of(chosen.listing.fold)} = any(${at + 1}::text[]))"
    return (
        f"(f.finding_id = any(${at + 2}::text[]) or {in_group} and {listed}) and f.finding_id <> all(${at + 3}::text[])"
    )


def chosen_arguments(chosen: Chosen) -> list[object]:
    """The arguments of ``is_chosen``."""
    named: list[Collection[str]] = [chosen.groups, chosen.findings, chosen.left_out]
    return [chosen.everything, *map(list, named), chosen.listing.least]
