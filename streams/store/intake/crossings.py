"""What several persons', institutions' or areas' events tell together, or what waits for another event: queries and no
state, and never a finding, since no path that judges may read another person's events.

Each is counted whole, and the first are named. All are walks over the events of a store.
"""

from typing import Literal

import asyncpg
import msgspec

from knowledge_base.codes import INSTITUTION_CODE_FORMATS
from streams.store.sessions import Connection

MOST = 20
"""Rows of each kind that are named; all are counted."""

Known = Literal["nowhere", "another person", "another institution"]


class WaitingLink(msgspec.Struct, frozen=True):
    """A reversal or correction whose target is none of the same person and institution; ``known`` is where it is."""

    area: str
    event_id: str
    institution: str
    target: str
    known: Known


class WaitingUnmerge(msgspec.Struct, frozen=True):
    """An unmerge of two pseudonyms that no merge joined; one may still come."""

    area: str
    event_id: str


class SharedId(msgspec.Struct, frozen=True):
    """An event id that one institution gave in several areas. Each counts; which of them stands is for people."""

    event_id: str
    institution: str
    areas: list[str]


class SharedNumber(msgspec.Struct, frozen=True):
    """A number of one institution that several persons have: of an ``encounter`` or a ``claim``."""

    area: str
    institution: str
    what: Literal["encounter", "claim"]
    number: str
    persons: int


class OddInstitution(msgspec.Struct, frozen=True):
    """An institution whose code has no official format, with the number of its events."""

    institution: str
    events: int


class Crossings(msgspec.Struct, frozen=True):
    """How many there are of each kind, and the first of them."""

    waiting_links: int
    links: list[WaitingLink]
    waiting_unmerges: int
    unmerges: list[WaitingUnmerge]
    shared_ids: int
    shared: list[SharedId]
    shared_numbers: int
    numbers: list[SharedNumber]
    odd_institutions: int
    institutions: list[OddInstitution]


async def find_crossings(connection: Connection) -> Crossings:
    """All of them."""
    links = await connection.fetch(_LINKS, MOST)
    unmerges = await connection.fetch(_UNMERGES, MOST)
    shared = await connection.fetch(_SHARED_IDS, MOST)
    numbers = await connection.fetch(_NUMBERS, MOST)
    institutions = await connection.fetch(_INSTITUTIONS, MOST, f"^({'|'.join(INSTITUTION_CODE_FORMATS.values())})$")
    return Crossings(
        _count(links),
        [WaitingLink(row["area"], row["event_id"], row["institution"], row["target"], row["known"]) for row in links],
        _count(unmerges),
        [WaitingUnmerge(row["area"], row["event_id"]) for row in unmerges],
        _count(shared),
        [SharedId(row["event_id"], row["institution"], row["areas"]) for row in shared],
        _count(numbers),
        [SharedNumber(row["area"], row["institution"], row["what"], row["number"], row["persons"]) for row in numbers],
        _count(institutions),
        [OddInstitution(row["institution"], row["events"]) for row in institutions],
    )


def _count(rows: list[asyncpg.Record]) -> int:
    return rows[0]["of_all"] if rows else 0


_LINKS = """
    with linked as (
        select e.area, e.event_id, e.institution, coalesce(e.reverses, e.corrects) as target,
            coalesce(p.person, e.patient) as person
        from events e left join persons p using (area, patient)
        where coalesce(e.reverses, e.corrects) is not null),
    targets as (
        select t.area, t.claim_id as target, t.institution, coalesce(p.person, t.patient) as person
        from events t left join persons p using (area, patient)
        where (t.area, t.claim_id) in (select area, target from linked)),
    waiting as (
        select l.*, case
            when exists (select from targets t where t.area = l.area and t.target = l.target
                and t.institution = l.institution) then 'another person'
            when exists (select from targets t where t.area = l.area and t.target = l.target
                and t.person = l.person) then 'another institution'
            else 'nowhere' end as known
        from linked l
        where not exists (select from targets t where t.area = l.area and t.target = l.target
            and t.institution = l.institution and t.person = l.person))
    select *, count(*) over () as of_all from waiting order by known = 'nowhere', area, event_id limit $1
"""

_UNMERGES = """
    select area, event_id, count(*) over () as of_all from unmerges where not merged order by area, event_id limit $1
"""

# In one area an event id is known once, so one that lies twice in an institution lies in several. Most stores hold one
# area, which two looks at an index tell: then no event is read.
_SHARED_IDS = """
    select event_id, institution, array_agg(area order by area) as areas, count(*) over () as of_all
    from events
    where institution is not null and (select min(area) from event_ids) < (select max(area) from event_ids)
    group by event_id, institution having count(*) > 1
    order by event_id, institution limit $1
"""

_NUMBERS = """
    with named as (
        select e.area, e.institution, e.encounter_id, e.claim_id, coalesce(p.person, e.patient) as person
        from events e left join persons p using (area, patient) where e.institution is not null),
    shared as (
        select area, institution, 'encounter' as what, encounter_id as number, count(distinct person) as persons
        from named group by area, institution, encounter_id having count(distinct person) > 1
        union all
        select area, institution, 'claim', claim_id, count(distinct person)
        from named group by area, institution, claim_id having count(distinct person) > 1)
    select *, count(*) over () as of_all from shared order by area, institution, what, number limit $1
"""

_INSTITUTIONS = """
    with houses as (
        select institution, count(*) as events from events where institution is not null group by institution)
    select *, count(*) over () as of_all from houses where institution !~ $2 order by events desc, institution limit $1
"""
