"""Warnings as stored, with what doctors did about them and what was found after the settlement."""

from datetime import datetime
from decimal import Decimal

import asyncpg
import msgspec


class WarningRow(msgspec.Struct, frozen=True):
    """A warning as it is listed; instants are UTC, ``in_question`` yuan.

    ``way`` and ``replied_at`` are of the latest reply; ``found`` says whether a finding of the same rule on the same
    occurrence is open now; ``repeats`` names the warning of the encounter that said it first; ``late`` says that nobody
    was told, as the gateway was out of time.
    """

    area: str
    warning_id: str
    asked_at: datetime
    institution: str
    encounter_id: str
    department: str | None
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
    way: str | None
    replied_at: datetime | None
    found: bool


class WarningFilter(msgspec.Struct, frozen=True):
    """Which warnings; ``before`` is the one behind which the page begins, in the order of time from the latest on."""

    institution: str | None = None
    rule: str | None = None
    before: str | None = None


async def find_warnings(connection: asyncpg.Connection, chosen: WarningFilter, most: int) -> list[WarningRow]:
    """At most so many warnings, the latest first."""
    rows = await connection.fetch(
        """
        select w.area, w.warning_id, p.asked_at, w.institution, w.encounter_id, p.department, p.practitioner, w.phase,
            w.rule_id, w.severity, w.said, w.in_question, p.code, p.rule_set, w.repeats, p.judged_late as late, r.way,
            r.replied_at, coalesce(f.is_open, false) as found
        from warnings w
        join prescriptions p using (area, seq)
        left join findings f using (area, finding_id)
        left join lateral (
            select way, replied_at from replies of
            where of.area = w.area and of.warning_id = w.warning_id and of.institution = w.institution
            order by of.seq desc limit 1
        ) as r on true
        where ($1::text is null or w.institution = $1) and ($2::text is null or w.rule_id = $2)
            and ($3::text is null or (w.seq, w.warning_id) < (
                select seq, warning_id from warnings where warning_id = $3))
        order by w.seq desc, w.warning_id desc limit $4
        """,
        chosen.institution,
        chosen.rule,
        chosen.before,
        most,
    )
    return [WarningRow(**row) for row in rows]


async def count_replies(connection: asyncpg.Connection, institution: str | None) -> dict[str, int]:
    """Warnings that were told, by what was done about them last: ``continue``, ``change``, ``none``."""
    rows = await connection.fetch(
        """
        select coalesce(r.way, 'none') as way, count(*) as warnings from warnings w
        join prescriptions p using (area, seq)
        left join lateral (
            select way from replies of
            where of.area = w.area and of.warning_id = w.warning_id and of.institution = w.institution
            order by of.seq desc limit 1
        ) as r on true
        where w.repeats is null and not p.judged_late and ($1::text is null or w.institution = $1)
        group by 1 order by 1
        """,
        institution,
    )
    return {row["way"]: row["warnings"] for row in rows}
