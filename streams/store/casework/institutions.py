"""One institution as its page shows it: what the register says, its months, and beside it those of its level."""

from datetime import date
from decimal import Decimal

import asyncpg
import msgspec

from casework.sight import Sight
from streams.store.casework.queue import TODAY
from streams.store.sights import SHOWN, in_sight, place_arguments, sight_arguments


class Institution(msgspec.Struct, frozen=True):
    """An institution of the register, or one of which there are leads alone: then without name, level and kind."""

    institution: str
    name: str | None
    level: str | None
    kind: str | None


class FindingMonth(msgspec.Struct, frozen=True):
    """The findings whose last day lies in the month that begins on ``month``; of their money each line counts once."""

    month: date
    findings: int
    people: int
    in_question: Decimal
    in_fund: Decimal


class TopicSum(msgspec.Struct, frozen=True):
    """What the leads of a topic come to, of one institution (``own``) or of all others of its level together."""

    topic: str
    own: bool
    institutions: int
    leads: int
    findings: int
    in_question: Decimal


async def find_all_names(connection: asyncpg.Connection) -> dict[str, str]:
    """What every institution of the register is called, by its code."""
    rows = await connection.fetch("select institution, name from institutions where name is not null")
    return {row["institution"]: row["name"] for row in rows}


async def find_institution(connection: asyncpg.Connection, code: str, sight: Sight) -> Institution | None:
    """An institution that may be seen, ``None`` where neither the register nor a lead in sight knows its code."""
    row = await connection.fetchrow(
        f"""
        select $3::text as institution, i.name, i.level, i.kind
        from (select) as once left join institutions i on i.institution = $3
        where ($2::text[] is null or $3 = any($2)) and (i.institution is not null or exists (
            select from leads l where l.institution = $3 and {in_sight("l", 1)}))
        """,
        *place_arguments(sight),
        code,
    )
    return None if row is None else Institution(**row)


async def find_mark(connection: asyncpg.Connection, code: str, sight: Sight) -> tuple[int, int]:
    """What is another one whenever a finding of an institution's leads in sight is: how many leads there are, and which
    of them changed last. A lead gets another number with each change of its findings."""
    row = await connection.fetchrow(
        f"""
        select count(*) as leads, coalesce(max(l.seq), 0) as last from leads l
        where l.institution = $3 and {in_sight("l", 1)}
        """,
        *place_arguments(sight),
        code,
    )
    assert row is not None
    return row["leads"], row["last"]


async def find_months(connection: asyncpg.Connection, code: str, sight: Sight) -> list[FindingMonth]:
    """An institution's findings that count today, by month, the latest first."""
    rows = await connection.fetch(
        f"""
        with shown as materialized (
            select f.area, f.finding_id, f.subject_kind, f.subject, date_trunc('month', f.last_day)::date as month
            from {SHOWN} join leads l on l.area = f.area and l.lead_id = f.lead_id
            where l.institution = $4 and f.is_open
        ), lines as (
            select s.month, max(l.in_question) as in_question, max(l.in_fund) as in_fund
            from shown s join lead_lines l using (area, finding_id) group by s.month, area, l.line
        ), money as (
            select month, sum(in_question) as in_question, sum(in_fund) as in_fund from lines group by month
        ), subjects as (
            select month, count(*) as findings from shown group by month, area, subject_kind, subject
        )
        select month, sum(findings)::bigint as findings, count(*) as people,
            coalesce(min(in_question), 0) as in_question, coalesce(min(in_fund), 0) as in_fund
        from subjects left join money using (month) group by month order by month desc
        """,
        *sight_arguments(sight),
        code,
    )
    return [FindingMonth(**row) for row in rows]


async def find_topic_sums(connection: asyncpg.Connection, code: str, level: str | None, sight: Sight) -> list[TopicSum]:
    """What leads that count today come to by topic: an institution's own, and those in sight of others of its level."""
    rows = await connection.fetch(
        f"""
        select topic, institution = $4 as own, count(*) as institutions, sum(leads)::bigint as leads,
            sum(findings)::bigint as findings, sum(in_question) as in_question
        from (
            select t.topic, t.institution, count(*) as leads, sum(t.findings) as findings,
                sum(t.in_question) as in_question
            from {TODAY} t
            where t.findings > 0 and {in_sight("t")} and t.institution in (
                select $4 union all select institution from institutions where level = $5)
            group by t.topic, t.institution
        ) of_institutions
        group by topic, own order by in_question desc, topic, own
        """,
        *sight_arguments(sight),
        code,
        level,
    )
    return [TopicSum(**row) for row in rows]
