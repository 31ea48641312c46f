"""What is found by a name that somebody typed, each kind from an index, and no more than somebody may see."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import asyncpg

from casework.sight import Sight
from streams.messages.versions import decode_version
from streams.store.casework.patients import PlacedFinding
from streams.store.sights import SHOWN, in_sight, place_arguments, sight_arguments

_LAST = "\U0010ffff"
"""After every sign that a word goes on with."""


# The name of an institution that was found: looked up for each, and not joined to the whole register.
_NAME = "(select i.name from institutions i where i.institution = found.institution)"


class FoundClaim(NamedTuple):
    """A claim by one of its numbers, with its last day."""

    area: str
    event_id: str
    claim_id: str
    encounter_id: str
    institution: str
    institution_name: str | None
    last_day: date


class FoundPatient(NamedTuple):
    """A patient by a pseudonym."""

    area: str
    patient: str


class FoundInstitution(NamedTuple):
    """An institution by its code or a word of its name; without a name where no register knows it."""

    institution: str
    name: str | None


async def find_lead_ids(connection: asyncpg.Connection, typed: str, sight: Sight, most: int) -> list[str]:
    """Leads whose names, which are hashes, begin like what was typed."""
    rows = await connection.fetch(
        f"""
        select lead_id from leads where lead_id >= $3 and lead_id < $3 || 'g' and {in_sight("leads", 1)}
        order by lead_id limit $4
        """,
        *place_arguments(sight),
        typed,
        most,
    )
    return [row["lead_id"] for row in rows]


async def find_findings(connection: asyncpg.Connection, typed: str, sight: Sight, most: int) -> list[PlacedFinding]:
    """Findings whose names, which are hashes, begin like what was typed, open or withdrawn."""
    rows = await connection.fetch(
        f"""
        select f.body, f.lead_id from {SHOWN} where f.finding_id >= $4 and f.finding_id < $4 || 'g'
        order by f.finding_id limit $5
        """,
        *sight_arguments(sight),
        typed,
        most,
    )
    return [PlacedFinding(decode_version(row["body"]), row["lead_id"]) for row in rows]


async def find_areas(connection: asyncpg.Connection, sight: Sight) -> list[str]:
    """The pooling areas in sight of which there are events."""
    rows = await connection.fetch(
        """
        with recursive areas (area) as (
            select min(area) from events
            union all
            select (select min(e.area) from events e where e.area > a.area) from areas a where a.area is not null)
        select area from areas where area is not null and ($1::text[] is null or area = any($1))
        """,
        place_arguments(sight)[0],
    )
    return [row["area"] for row in rows]


def _of_number(column: str) -> str:
    return f"hashtextextended(e.{column}, 0) = hashtextextended($3, 0) and e.{column} = $3"


async def find_claims(connection: asyncpg.Connection, typed: str, sight: Sight, most: int) -> list[FoundClaim]:
    """Claims by the number of their settlement or of their visit, of institutions in sight, the latest first."""
    rows = await connection.fetch(
        f"""
        select found.*, {_NAME} as institution_name
        from (
            select distinct area, event_id, claim_id, encounter_id, institution, last_day
            from (
                (select * from events e
                where {_of_number("claim_id")} and e.kind = 'claim' and {in_sight("e", 1)} limit $4)
                union all
                (select * from events e
                where {_of_number("encounter_id")} and e.kind = 'claim' and {in_sight("e", 1)} limit $4)
            ) e
        ) found order by last_day desc, area, event_id limit $4
        """,
        *place_arguments(sight),
        typed,
        most,
    )
    return [FoundClaim(**{name: row[name] for name in FoundClaim._fields}) for row in rows]


async def find_patients(
    connection: asyncpg.Connection, areas: Sequence[str], typed: str, sight: Sight
) -> list[FoundPatient]:
    """Patients of some areas by a pseudonym, of whom a claim is of an institution in sight."""
    rows = await connection.fetch(
        """
        select area from unnest($1::text[]) as area
        where exists (
            select from events e
            where e.area = area and e.patient = $2 and e.subject_kind = 'patient' and e.kind = 'claim'
                and ($3::text[] is null or e.institution = any($3)))
        order by area
        """,
        areas,
        typed,
        place_arguments(sight)[1],
    )
    return [FoundPatient(row["area"], typed) for row in rows]


async def find_institutions(
    connection: asyncpg.Connection, word: str, code: str, sight: Sight, most: int
) -> list[FoundInstitution]:
    """Institutions in sight whose code, or a part of whose name, or its spelling, begins with a word; those that only
    leads know by their whole code."""
    rows = await connection.fetch(
        f"""
        select institution, {_NAME} as name
        from (
            (select w.institution from institution_words w
            where w.word >= $3 and w.word < $3 || $4 and ($2::text[] is null or w.institution = any($2))
            order by w.word limit $6)
            union
            (select i.institution from institutions i
            where i.institution = $5 and ($2::text[] is null or i.institution = any($2)))
            union
            (select l.institution from leads l where l.institution = $5 and {in_sight("l", 1)} limit 1)
        ) found order by name, institution limit $6
        """,
        *place_arguments(sight),
        word,
        _LAST,
        code,
        most,
    )
    return [FoundInstitution(**row) for row in rows]


async def find_practitioner_findings(
    connection: asyncpg.Connection, areas: Sequence[str], typed: str, sight: Sight, most: int
) -> list[PlacedFinding]:
    """Findings in sight about a practitioner of some areas, by code, the latest first."""
    rows = await connection.fetch(
        f"""
        select f.body, f.lead_id from {SHOWN} join findings j using (area, finding_id)
        where j.area = any($4::text[]) and j.subject_kind = 'practitioner' and j.subject = $5 and f.is_open
        order by j.last_day desc, j.finding_id limit $6
        """,
        *sight_arguments(sight),
        areas,
        typed,
        most,
    )
    return [PlacedFinding(decode_version(row["body"]), row["lead_id"]) for row in rows]
