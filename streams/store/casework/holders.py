"""Who has a lead, and until when it is put off."""

from collections.abc import Collection
from typing import NamedTuple

import asyncpg

from casework.sight import Sight
from knowledge_base.days import Day, as_date
from streams.store.casework.decisions import LeadUnknown
from streams.store.sights import in_sight, sight_arguments

HOLDER = "case when l.held_until < $1 then null else l.assignee end"
"""Who has a lead today ($1): nobody any more after the day until which it was given."""


class Place(NamedTuple):
    """A lead's place, and who has it today."""

    area: str
    lead_id: str
    institution: str
    holder: str | None = None


async def lock_lead(connection: asyncpg.Connection, lead_id: str, sight: Sight) -> Place:
    """Holds a lead still. Raises ``LeadUnknown``, also for one out of sight."""
    row = await connection.fetchrow(
        f"""
        select l.area, l.lead_id, l.institution, {HOLDER} as holder from leads l
        where l.lead_id = $4 and {in_sight("l")} for update
        """,
        *sight_arguments(sight),
        lead_id,
    )
    if row is None:
        raise LeadUnknown
    return Place(**row)


class Held(NamedTuple):
    """What a lead is called, and who has it today."""

    lead_id: str
    institution: str
    institution_name: str | None
    topic: str
    service_year: int
    holder: str | None


async def find_held(connection: asyncpg.Connection, lead_ids: Collection[str], sight: Sight) -> dict[str, Held]:
    """Those of some leads that are in sight, by their name."""
    rows = await connection.fetch(
        f"""
        select l.lead_id, l.institution, i.name as institution_name, l.topic, l.service_year, {HOLDER} as holder
        from leads l left join institutions i using (institution)
        where l.lead_id = any($4::text[]) and {in_sight("l")}
        """,
        *sight_arguments(sight),
        list(lead_ids),
    )
    return {row["lead_id"]: Held(**row) for row in rows}


async def find_loads(connection: asyncpg.Connection, logins: Collection[str], sight: Sight) -> dict[str, int]:
    """How many leads that are to be decided and not put off each of some people has today, in whatever area."""
    rows = await connection.fetch(
        """
        select assignee, count(*) as leads from leads
        where assignee = any($2::text[]) and (held_until is null or held_until >= $1)
            and state = 'open' and (snoozed_until is null or snoozed_until < $1)
        group by assignee
        """,
        as_date(sight.today),
        list(logins),
    )
    return dict.fromkeys(logins, 0) | {row["assignee"]: row["leads"] for row in rows}


async def save_holder(connection: asyncpg.Connection, place: Place, to: str | None, until: Day | None) -> None:
    """Gives a lead to somebody, or to nobody; what it comes to, and its version, stay."""
    await connection.execute(
        "update leads set assignee = $3, held_until = $4 where area = $1 and lead_id = $2",
        place.area,
        place.lead_id,
        to,
        None if until is None else as_date(until),
    )


async def save_snoozed(connection: asyncpg.Connection, place: Place, until: Day | None) -> None:
    """Puts a lead off until a day is over, or takes it up again; what it comes to, and its version, stay."""
    await connection.execute(
        "update leads set snoozed_until = $3 where area = $1 and lead_id = $2",
        place.area,
        place.lead_id,
        None if until is None else as_date(until),
    )
