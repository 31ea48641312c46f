"""Accepted events as stored: their arrival, and what windows over a patient are read from."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import asyncpg
import msgspec
import zstandard

from knowledge_base.days import Day, as_date
from knowledge_base.digests.head import GENERATION, Details, Digest
from streams.messages.packing import decode_details, decode_digest
from streams.pipeline.arrivals import Arrival
from streams.pipeline.touching import Head, company_of

_decompress = zstandard.ZstdDecompressor().decompress


def decompressed(body: bytes) -> bytes:
    """A received message from the bytes that are kept of it."""
    return _decompress(body)


async def save_event_ids(
    connection: asyncpg.Connection, area: str, hashes: Mapping[str, bytes]
) -> tuple[dict[str, int], dict[str, bytes]]:
    """Enters event ids, sorted. Returns the arrival numbers of the new ones, and the hashes of the known."""
    ids = sorted(hashes)
    rows = await connection.fetch(
        """
        insert into event_ids (area, event_id, content_hash)
        select $1, event_id, content_hash from unnest($2::text[], $3::bytea[]) as new (event_id, content_hash)
        on conflict do nothing returning event_id, seq
        """,
        area,
        ids,
        [hashes[name] for name in ids],
    )
    new = {row["event_id"]: row["seq"] for row in rows}
    if len(new) == len(ids):
        return new, {}
    known = await connection.fetch(
        "select event_id, content_hash from event_ids where area = $1 and event_id = any($2::text[])",
        area,
        [name for name in ids if name not in new],
    )
    return new, {row["event_id"]: row["content_hash"] for row in known}


_EVENT_COLUMNS = (
    "area", "subject_kind", "patient", "seq", "event_id", "kind", "claim_id", "encounter_id", "institution",
    "first_day", "last_day",
    "reverses", "corrects", "money", "source", "digest", "generation", "details",
)  # fmt: skip


async def save_events(connection: asyncpg.Connection, area: str, arrivals: Mapping[int, Arrival]) -> None:
    """Writes accepted events and their received bytes, by arrival number."""
    events = [
        (
            area,
            arrival.subject.kind,
            arrival.subject.name,
            seq,
            arrival.event_id,
            arrival.kind,
            arrival.links.claim_id or None,
            arrival.links.encounter[1] or None,
            arrival.links.encounter[0] or None,
            as_date(arrival.first_day),
            as_date(arrival.last_day),
            arrival.links.reverses,
            arrival.links.corrects,
            arrival.money,
            arrival.source,
            arrival.digest_bytes,
            GENERATION,
            arrival.details_bytes,
        )
        for seq, arrival in arrivals.items()
    ]
    await connection.copy_records_to_table("events", records=events, columns=_EVENT_COLUMNS)
    bodies = [(area, seq, arrival.body) for seq, arrival in arrivals.items()]
    await connection.copy_records_to_table("received", records=bodies, columns=("area", "seq", "body"))


class Remembered(msgspec.Struct, frozen=True):
    """A stored event: its head, the name under which it is kept, and its digest where it was read."""

    head: Head
    name: str
    digest: bytes | None


async def find_events(
    connection: asyncpg.Connection, area: str, near: Mapping[str, tuple[Day, Day]]
) -> dict[str, list[Remembered]]:
    """Every event of some pseudonyms; digests only of those that overlap the days given for each.

    Here and below patient by patient: ``offset 0`` keeps the joins from being turned round. A planner without
    statistics, as in a new store, would read the whole area for each batch.
    """
    patients = list(near)
    rows = await connection.fetch(
        """
        select e.patient, e.seq, e.event_id, e.kind, e.claim_id, e.institution, e.encounter_id,
            e.first_day, e.last_day, coalesce(e.reverses, e.corrects) as target, e.generation,
            case when e.last_day >= near.first and e.first_day <= near.last then e.digest end as digest
        from unnest($2::text[], $3::date[], $4::date[]) as near (patient, first, last)
        cross join lateral (
            select * from events e
            where e.area = $1 and e.patient = near.patient and e.subject_kind = 'patient' offset 0
        ) as e
        """,
        area,
        patients,
        [_clamped(near[patient][0]) for patient in patients],
        [_clamped(near[patient][1]) for patient in patients],
    )
    found: dict[str, list[Remembered]] = {patient: [] for patient in patients}
    for patient, *head, digest in rows:
        found[patient].append(Remembered(head_of(head), patient, digest))
    return found


async def read_person(
    connection: asyncpg.Connection, area: str, patient: str, near: tuple[Day, Day]
) -> dict[str, list[Remembered]]:
    """Every event of everybody who is one person with a patient, by pseudonym, as of what is committed.

    Digests only of those that overlap some days. One statement, which writes nothing and locks no row or name, for
    answers that somebody waits for.
    """
    rows = await connection.fetch(
        """
        select everybody.patient, e.seq, e.event_id, e.kind, e.claim_id, e.institution, e.encounter_id,
            e.first_day, e.last_day, coalesce(e.reverses, e.corrects) as target, e.generation,
            case when e.last_day >= $3 and e.first_day <= $4 then e.digest end as digest
        from (
            select m.patient from persons p join persons m using (area, person) where p.area = $1 and p.patient = $2
            union select $2
        ) as everybody
        left join lateral (
            select * from events e
            where e.area = $1 and e.patient = everybody.patient and e.subject_kind = 'patient' offset 0
        ) as e on true
        """,
        area,
        patient,
        _clamped(near[0]),
        _clamped(near[1]),
    )
    found: dict[str, list[Remembered]] = {}
    for name, *head, digest in rows:
        events = found.setdefault(name, [])
        if head[0] is not None:
            events.append(Remembered(head_of(head), name, digest))
    return found


def head_of(row: Sequence[Any]) -> Head:
    """The head of a stored event from its columns, in their order here."""
    seq, event_id, kind, claim_id, institution, encounter_id, first, last, target, generation = row
    company = company_of(event_id, (institution or "", encounter_id or ""))
    return Head(seq, event_id, kind, claim_id or "", company, first.toordinal(), last.toordinal(), target, generation)


def _clamped(day: Day) -> date:
    return as_date(min(max(day, date.min.toordinal()), date.max.toordinal()))


async def load_digests(
    connection: asyncpg.Connection, area: str, wanted: Iterable[tuple[str, int]]
) -> dict[int, Digest]:
    """Digests of events by (pseudonym, arrival number)."""
    wanted = list(wanted)
    rows = await connection.fetch(
        """
        select e.seq, e.kind, e.digest from unnest($2::text[], $3::bigint[]) as wanted (patient, seq)
        cross join lateral (
            select * from events e where e.area = $1 and e.patient = wanted.patient and e.seq = wanted.seq offset 0
        ) as e
        """,
        area,
        [patient for patient, _ in wanted],
        [seq for _, seq in wanted],
    )
    return {row["seq"]: decode_digest(row["kind"], row["digest"]) for row in rows}


async def load_details(
    connection: asyncpg.Connection, area: str, wanted: Iterable[tuple[str, int]]
) -> dict[int, Details]:
    """Details of events by (pseudonym, arrival number), of those that have any."""
    wanted = list(wanted)
    rows = await connection.fetch(
        """
        select e.seq, e.kind, e.details from unnest($2::text[], $3::bigint[]) as wanted (patient, seq)
        cross join lateral (
            select * from events e where e.area = $1 and e.patient = wanted.patient and e.seq = wanted.seq offset 0
        ) as e
        where e.details is not null
        """,
        area,
        [patient for patient, _ in wanted],
        [seq for _, seq in wanted],
    )
    return {row["seq"]: decode_details(row["kind"], row["details"]) for row in rows}


async def load_bodies(connection: asyncpg.Connection, area: str, event_ids: Collection[str]) -> dict[str, bytes]:
    """The received messages of some events by id."""
    rows = await connection.fetch(
        """
        select i.event_id, r.body from event_ids i
        cross join lateral (select body from received where area = i.area and seq = i.seq offset 0) as r
        where i.area = $1 and i.event_id = any($2::text[])
        """,
        area,
        list(event_ids),
    )
    return {row["event_id"]: decompressed(row["body"]) for row in rows}


async def load_received(connection: asyncpg.Connection, area: str, patient: str, as_of: int) -> list[bytes]:
    """The received messages of everybody who is one person with a patient now, up to an arrival number."""
    rows = await connection.fetch(
        """
        with everybody as (
            select m.patient from persons p join persons m using (area, person) where p.area = $1 and p.patient = $2
            union select $2)
        select r.body from everybody
        cross join lateral (
            select * from events e where e.area = $1 and e.patient = everybody.patient and e.seq <= $3 offset 0
        ) as e
        cross join lateral (select body from received where area = $1 and seq = e.seq offset 0) as r
        where e.subject_kind = 'patient' order by e.seq
        """,
        area,
        patient,
        as_of,
    )
    return [decompressed(row["body"]) for row in rows]


async def find_last_seq(connection: asyncpg.Connection, area: str) -> int:
    """The greatest arrival number of an area's events, 0 where there is none."""
    seq: int = await connection.fetchval("select coalesce(max(seq), 0) from events where area = $1", area)
    return seq


async def read_digests(connection: asyncpg.Connection, area: str, mark: int) -> list[Digest]:
    """The digests of all of an area's events up to an arrival number, in that order."""
    rows = await connection.fetch(
        "select kind, digest from events where area = $1 and seq <= $2 order by seq", area, mark
    )
    return [decode_digest(row["kind"], row["digest"]) for row in rows]
