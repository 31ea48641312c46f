"""Histories as stored: what of a patient's events lies near some days, and what may have to do with others.

An event that nothing links to another (``events.linked``) matters only where it lies near, unless a rule reads every
event of its items (``events.chained``); so what is read of a long history is as much as of a short one.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import asyncpg
import msgspec

from knowledge_base.days import Day, as_date, clamped
from knowledge_base.digests.head import Links
from rules_lib.scope import Interval
from streams.pipeline.touching import Head, company_of
from streams.store.events.prescriptions import SAID
from streams.store.events.stored import Key, columns_of


class Remembered(msgspec.Struct, frozen=True):
    """A stored event: its head, the name under which it is kept, its digest and its details where they were read."""

    head: Head
    name: str
    linked: bool
    chained: bool
    digest: bytes | None
    details: bytes | None = None


_COLUMNS = """
    e.linked, e.chained,
    e.seq, e.event_id, e.kind, e.claim_id, e.institution, e.encounter_id, e.first_day, e.last_day,
    coalesce(e.reverses, e.corrects) as target, e.generation
"""
_WIDTH = 13
"""A pseudonym with these columns."""
_OWN = "e.area = $1 and e.patient = near.patient and e.subject_kind = 'patient'"
MARGIN = timedelta(days=62).days
"""How much farther than digests, which are a hundred times as long, heads are read."""
_DIGEST = "case when e.last_day >= near.first and e.first_day <= near.last then e.digest end as digest"
_LIES_NEAR = f"e.last_day >= near.first - {MARGIN} and e.first_day <= near.last + {MARGIN}"
_NEAR_AND_LINKED = f"""
    select * from events e where {_OWN} and {_LIES_NEAR}
    union all
    select * from events e where {_OWN} and e.linked and not ({_LIES_NEAR})
    union all
    select * from events e where near.whole and {_OWN} and not e.linked and not ({_LIES_NEAR})
"""
"""Of a patient what lies near and what is linked; where it is one person with others (``whole``) everything."""


async def find_events(
    connection: asyncpg.Connection, area: str, near: Mapping[str, Interval], whole: Iterable[str] = ()
) -> dict[str, list[Remembered]]:
    """Of some pseudonyms the events near the days given for each, and those that are linked to others.

    Those on the days come with digests. Of pseudonyms in ``whole`` every event is read.

    Here and below patient by patient: ``offset 0`` keeps the joins from being turned round. A planner without
    statistics, as in a new store, would read the whole area for each batch.
    """
    patients, whole = list(near), set(whole)
    rows = await connection.fetch(
        f"""
        select e.patient, {_COLUMNS}, {_DIGEST}
        from unnest($2::text[], $3::date[], $4::date[], $5::bool[]) as near (patient, first, last, whole)
        cross join lateral ({_NEAR_AND_LINKED} offset 0) as e
        """,
        area,
        patients,
        [clamped(near[patient][0]) for patient in patients],
        [clamped(near[patient][1]) for patient in patients],
        [patient in whole for patient in patients],
    )
    found: dict[str, list[Remembered]] = {patient: [] for patient in patients}
    for row in rows:
        found[row["patient"]].append(_remembered(row))
    return found


async def find_chained(
    connection: asyncpg.Connection, area: str, patients: Collection[str], rules: Collection[str]
) -> list[Remembered]:
    """Of some pseudonyms the events that hold an item of ``rules``, which read whole items, with digests.

    And those at which nobody looked; of pseudonyms that are to be judged again by one of the rules, as after a switch
    that gave it other items, all events.
    """
    rows = await connection.fetch(
        f"""
        select e.patient, {_COLUMNS}, e.digest
        from (
            select patient, exists (
                select from outstanding o where o.area = $1 and o.rules && $3::text[] and o.judged_to < name.patient
            ) as unknown
            from unnest($2::text[]) as name (patient)
        ) as near
        cross join lateral (
            select * from events e where {_OWN} and e.chained
            union all
            select * from events e where near.unknown and {_OWN} and not e.chained
            offset 0
        ) as e
        """,
        area,
        list(patients),
        list(rules),
    )
    return [_remembered(row) for row in rows]


async def save_chained(connection: asyncpg.Connection, area: str, events: Iterable[Remembered], chained: bool) -> None:
    """Says of events whether they hold an item of a rule that reads whole items."""
    await _mark(connection, area, events, "chained", chained)


_LAST = "9223372036854775807"
"""An arrival number after all others."""


def _by(column: str, patient: str, name: str, before: str) -> str:
    """A patient's events before a number by one of their names: by its index alone, lest a planner prefer another."""
    return f"""
        select * from (
            select * from events e
            where hashtextextended(e.patient || '|' || e.{column}, 0) = hashtextextended({patient} || '|' || {name}, 0)
                and e.seq < {before}
            offset 0
        ) as e
        where e.area = $1 and e.patient = {patient} and e.subject_kind = 'patient' and e.{column} = {name}
    """


async def find_partners(
    connection: asyncpg.Connection, area: str, links: Sequence[tuple[str, Links]], before: int
) -> list[Remembered]:
    """The events before an arrival number that share an encounter or settlement with others, or are taken back by them.

    ``links`` are those of events, each with its patient. Digests are not read.
    """
    names = [(patient, *row) for patient, of in links for row in _names_of(of)]
    rows = await connection.fetch(
        f"""
        select e.patient, {_COLUMNS}, null::bytea as digest
        from unnest($2::text[], $3::text[], $4::text[], $5::text[])
            as names (patient, institution, encounter_id, claim_id)
        cross join lateral (
            {_by("encounter_id", "names.patient", "names.encounter_id", "$6")} and e.institution = names.institution
            union all {_by("claim_id", "names.patient", "names.claim_id", "$6")}
            offset 0
        ) as e
        """,
        area,
        *([list(column) for column in zip(*names, strict=True)] or [[], [], [], []]),
        before,
    )
    return [_remembered(row) for row in rows]


def _names_of(links: Links) -> Iterable[tuple[str | None, str | None, str | None]]:
    """By which names the partners of an event are found: institution and encounter, settlement."""
    institution, encounter = links.encounter
    yield institution or None, encounter or None, links.claim_id or None
    if links.target is not None:
        yield None, None, links.target


async def save_linked(connection: asyncpg.Connection, area: str, events: Iterable[Remembered]) -> None:
    """Says of events that they have to do with others."""
    await _mark(connection, area, events, "linked", True)


async def _mark(
    connection: asyncpg.Connection, area: str, events: Iterable[Remembered], column: str, value: bool
) -> None:
    keys = [key_of(event) for event in events]
    if keys:
        await connection.execute(
            f"""
            update events e set {column} = $5
            from unnest($2::text[], $3::date[], $4::bigint[]) as key (patient, last_day, seq)
            cross join lateral (
                select ctid from events
                where area = $1 and patient = key.patient and last_day = key.last_day and seq = key.seq offset 0
            ) as found
            where e.ctid = found.ctid
            """,
            area,
            *columns_of(keys),
            value,
        )


def key_of(event: Remembered) -> Key:
    return event.name, as_date(event.head.last_day), event.head.seq


async def find_next_linked(connection: asyncpg.Connection, after: tuple[str, str], most: int) -> list[tuple[str, str]]:
    """Areas and pseudonyms with events that may have to do with others, in their order, from behind one on."""
    rows = await connection.fetch(
        """
        select distinct area, patient from events
        where linked and subject_kind = 'patient' and (area, patient) > ($1, $2) order by 1, 2 limit $3
        """,
        *after,
        most,
    )
    return [(row["area"], row["patient"]) for row in rows]


async def save_apart(connection: asyncpg.Connection, area: str, patients: Collection[str]) -> int:
    """Says of some pseudonyms' events which have to do with no other: how many. Their persons are locked."""
    done: str = await connection.execute(
        """
        update events e set linked = false
        from (
            select patient, seq, claim_id, encounter_id, linked, coalesce(reverses, corrects) as target,
                count(*) over (partition by patient, institution, encounter_id) as of_encounter,
                count(*) over (partition by patient, claim_id) as of_claim
            from events where area = $1 and patient = any($2::text[]) and subject_kind = 'patient'
        ) as own
        where e.area = $1 and e.patient = own.patient and e.seq = own.seq and own.linked and own.target is null
            and (own.encounter_id is null or own.of_encounter = 1) and (own.claim_id is null or own.of_claim = 1)
            and not exists (
                select from events o
                where o.area = $1 and o.patient = own.patient and coalesce(o.reverses, o.corrects) = own.claim_id)
        """,
        area,
        list(patients),
    )
    return int(done.rpartition(" ")[2])


class Person(NamedTuple):
    """What was read of everybody who is one person with a patient: events by pseudonym, requests by arrival number, and
    what was said of them."""

    events: dict[str, list[Remembered]]
    requests: dict[int, bytes]
    said: dict[int, bytes]


_EVERYBODY = """
    select patient, $3::date as first, $4::date as last, count(*) over () > 1 as whole from (
        select m.patient from persons p join persons m using (area, person) where p.area = $1 and p.patient = $2
        union select $2
    ) as everybody
"""
_DETAILS = "case when e.institution = $5 and e.last_day >= $9 then e.details end as details"


async def read_person(
    connection: asyncpg.Connection,
    area: str,
    patient: str,
    near: Interval,
    links: Links,
    ordered_since: Day | None = None,
) -> Person:
    """What of everybody who is one person with a patient matters to an event, as of what is committed.

    That is what lies near some days, with digests, what is linked, and what ``links`` of the event name; all events
    where several pseudonyms are one person. With a day the digests of requests too that were asked on it or later, or
    run then, what was said of them, and details of the events of the same institution that reach to it. One statement,
    which writes nothing and locks no row or name, for answers that somebody waits for.
    """
    institution, encounter = links.encounter
    rows = await connection.fetch(
        f"""
        with near as ({_EVERYBODY})
        select near.patient, {_COLUMNS}, {_DIGEST}, {_DETAILS}
        from near
        left join lateral (
            {_NEAR_AND_LINKED}
            union all {_by("encounter_id", "near.patient", "$6", _LAST)} and e.institution = $5
            union all {_by("claim_id", "near.patient", "$7", _LAST)}
            union all {_by("claim_id", "near.patient", "$8", _LAST)}
            offset 0
        ) as e on true
        union all
        select null, null, null, p.seq, null, null, null, null, null, null, null, null, null, p.digest,
            convert_to(({SAID})::text, 'UTF8')
        from near
        cross join lateral (
            select * from prescriptions p
            where p.area = $1 and p.patient = near.patient and p.last_day >= $9 offset 0
        ) as p
        """,
        area,
        patient,
        clamped(near[0]),
        clamped(near[1]),
        institution or None,
        encounter or None,
        links.claim_id or None,
        links.target,
        None if ordered_since is None else clamped(ordered_since),
    )
    found: dict[str, dict[int, Remembered]] = {}
    requests: dict[int, bytes] = {}
    said: dict[int, bytes] = {}
    for row in rows:
        if row["patient"] is None:
            requests[row["seq"]] = row["digest"]
            if row[-1] is not None:
                said[row["seq"]] = row[-1]
            continue
        events = found.setdefault(row["patient"], {})
        if row["seq"] is not None:
            events[row["seq"]] = _remembered(row)
    return Person({name: list(events.values()) for name, events in found.items()}, requests, said)


def _remembered(row: asyncpg.Record) -> Remembered:
    """A row of pseudonym, ``_COLUMNS``, digest and perhaps details."""
    patient, linked, chained, *head = row[:_WIDTH]
    return Remembered(head_of(head), patient, linked, chained, *row[_WIDTH:])


def head_of(row: Sequence[Any]) -> Head:
    """The head of a stored event from its columns, in their order here."""
    seq, event_id, kind, claim_id, institution, encounter_id, first, last, target, generation = row
    company = company_of(event_id, (institution or "", encounter_id or ""))
    return Head(seq, event_id, kind, claim_id or "", company, first.toordinal(), last.toordinal(), target, generation)
